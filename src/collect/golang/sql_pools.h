// The pools of database/sql in a Go process, as they stand: each has a goroutine that opens its
// connections, and that goroutine's frame leads to it. It cannot know pools of other libraries, and
// not which caller holds a connection. One thread at a time.
#pragma once

#include <vector>

#include "collect/golang/goroutine_reader.h"
#include "model/go_memory.h"

namespace unclosed {

// Ascending by address. A pool that is busy opening at this moment may be missing.
Result<std::vector<SqlPool>> sql_pools(GoProcess& process, const GoroutineList& list);

}  // namespace unclosed
