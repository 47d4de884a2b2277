// The program: reads the command line, runs one command, gives the exit code. Nothing is thrown
// out of it.
#pragma once

#include "cli/look.h"

namespace unclosed {

int run_app(int argc, char** argv, const SessionRunner& runner);

}  // namespace unclosed
