// Which goroutine is parked on which descriptor, as the runtime's poller has it: each descriptor
// that goes through the poller has a pollDesc, which names the goroutines that wait to read and to
// write. It cannot know descriptors outside of the poller: of those a thread waits in the kernel
// (blocking_calls). One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "collect/golang/go_process.h"
#include "collect/golang/goroutine_reader.h"

namespace unclosed {

struct PollDescriptor {
  int fd = -1;
  uint64_t address = 0;             // of its pollDesc: what an internal/poll.FD points to
  uint64_t reader = 0, writer = 0;  // ids of the goroutines parked on it; 0: none
};

// All that are open, ascending by number. One whose goroutine moved on while it was read has none.
Result<std::vector<PollDescriptor>> poll_descriptors(GoProcess& process);

// A goroutine that is in a system call on a descriptor, which holds its thread.
struct BlockingCall {
  uint64_t goroutine = 0;
  pid_t thread = 0;
  int fd = -1;
  std::string_view call;  // "read", "recvfrom", …
};

// Of those in `list` that were in a system call. Threads that may not be looked at are left out.
Result<std::vector<BlockingCall>> blocking_calls(GoProcess& process, const GoroutineList& list);

}  // namespace unclosed
