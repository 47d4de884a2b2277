// unclosed completion bash|zsh|fish: a script that completes commands, options and their values.
#pragma once

#include <string>

#include "cli/command.h"

namespace unclosed {

Command add_completion(CLI::App& app);
// The script for a shell, made from the tree of commands below `app`.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace unclosed
