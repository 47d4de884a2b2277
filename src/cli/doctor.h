// `unclosed doctor`: what works on this machine, what does not, and the command that mends it.
#pragma once

#include "cli/command.h"

namespace unclosed {

Command add_doctor(CLI::App& app);

}  // namespace unclosed
