// unclosed attach TARGET…: looks at running processes.
#pragma once

#include "cli/command.h"
#include "cli/look.h"

namespace unclosed {

Command add_attach(CLI::App& app, const SessionRunner& runner);

}  // namespace unclosed
