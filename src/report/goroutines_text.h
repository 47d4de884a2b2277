// Goroutines for a person at a terminal: how many, what grew and which stacks hold it, what all are
// parked in, the memory that grew along. Pure; any thread.
#pragma once

#include <string>

#include "model/goroutine.h"

namespace unclosed {

struct GoroutinesStyle {
  bool colour = false;
  size_t width = 100;             // columns
  size_t top = 10;                // groups that are shown; of sites as many
  std::string next_command = {};  // printed last; "" for none
};

std::string goroutines_text(const GoroutineCapture& capture, const GoroutinesStyle& style);

}  // namespace unclosed
