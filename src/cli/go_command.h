// unclosed go URL|FILE…: goroutines and memory of a Go service, from its pprof endpoint or from
// saved profiles and dumps: what they wait for, and what grew.
#pragma once

#include "cli/command.h"

namespace unclosed {

Command add_go(CLI::App& app);

}  // namespace unclosed
