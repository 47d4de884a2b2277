// unclosed explain UC-E004: an error, why it comes, what to do, what still works.
#pragma once

#include "cli/command.h"

namespace unclosed {

Command add_explain(CLI::App& app);

}  // namespace unclosed
