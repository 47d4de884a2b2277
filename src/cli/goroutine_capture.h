// Groups the goroutines of a live process by what they do. Pure over what was read and named; one
// thread at a time.
#pragma once

#include <string>

#include "cli/goroutine_names.h"
#include "model/goroutine.h"

namespace unclosed {

// The goroutines of the program, largest group first; those of the runtime itself are counted in
// `hidden`.
GoroutineCapture capture_goroutines(const GoProcess& process, const GoroutineList& list,
                                    GoroutineNames& names);

}  // namespace unclosed
