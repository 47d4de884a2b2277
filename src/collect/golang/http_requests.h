// The HTTP/1 requests that a Go process serves or awaits the header of at this moment, by
// connection: net/http keeps a goroutine for each connection, whose frame leads to it. Paths come
// without their query. It cannot know HTTP/2, other libraries, and a client's request whose header
// has come. One thread at a time.
#pragma once

#include <vector>

#include "collect/golang/goroutine_reader.h"
#include "model/go_memory.h"

namespace unclosed {

// Ascending by descriptor.
Result<std::vector<HttpRequest>> http_requests(GoProcess& process, const GoroutineList& list);

}  // namespace unclosed
