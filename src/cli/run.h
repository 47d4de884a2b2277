// unclosed run -- CMD…: starts a command and looks at it from its first descriptor on.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/look.h"

namespace unclosed {

// `command` is what stood behind "--" (or nothing): its own options are not ours to read.
Command add_run(CLI::App& app, const SessionRunner& runner, std::vector<std::string> command);

}  // namespace unclosed
