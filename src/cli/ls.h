// `unclosed ls`: the descriptors of processes as they are now, without tracing anything.
#pragma once

#include "cli/command.h"

namespace unclosed {

Command add_ls(CLI::App& app);

}  // namespace unclosed
