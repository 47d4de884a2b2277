// Which goroutines of a Go process wait on which descriptor, and at which line: by the runtime's
// poller, and by the system calls that its threads are in. One thread at a time.
#pragma once

#include <vector>

#include "cli/goroutine_names.h"
#include "collect/golang/go_process.h"
#include "collect/golang/goroutine_reader.h"
#include "model/go_memory.h"

namespace unclosed {

// The goroutine of this id; null: it is not in the list.
const LiveGoroutine* find_goroutine(const GoroutineList& list, uint64_t id);

// Ascending by descriptor: all that the poller knows, and those that a thread is blocked on.
Result<std::vector<ParkedDescriptor>> parked_descriptors(GoProcess& process,
                                                         const GoroutineList& list,
                                                         const GoroutineNames& names);

}  // namespace unclosed
