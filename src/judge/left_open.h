// What was opened since the attach and is open still, by where it was opened: for a program that
// has ended. No finding: it ended with the process. Pure; any thread.
#pragma once

#include <vector>

#include "model/history.h"
#include "model/left_open.h"
#include "model/stack.h"

namespace unclosed {

// Every one is counted in exactly one of them. Own code first, and the most first.
std::vector<LeftOpen> left_open(const Histories& histories, const StackBook& stacks);

// The same of what processes that ended before the others had open then.
std::vector<LeftOpen> left_behind(const Histories& histories, const StackBook& stacks);

}  // namespace unclosed
