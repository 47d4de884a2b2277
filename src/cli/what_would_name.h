// What would name the line of a finding that has none: another rung, or a probe on its library.
// It cannot know whether the service would do the same again. Pure but for what it asks of the
// watcher; one thread at a time.
#pragma once

#include "cli/watcher.h"
#include "model/finding.h"
#include "model/stack.h"

namespace unclosed {

// Adds it to the reason of each finding and group in `judgement` without a line. `stacks`: of
// their connections.
void say_what_would_name(Judgement& judgement, const StackBook& stacks, const Watcher& watcher);

}  // namespace unclosed
