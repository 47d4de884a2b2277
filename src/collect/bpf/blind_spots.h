// What of a process the hooks do not see, so that it can be said: asked of /proc. A process that is
// gone meanwhile has none. Any thread.
#pragma once

#include <cstdint>

#include "model/connection.h"
#include "model/process.h"

namespace unclosed {

// Its system calls go by a table of their own, which the tracepoints leave out.
bool is_32_bit(const ProcessId& process);

// Files in the own table of an io_uring, which no table of descriptors shows; 0 for any other
// descriptor.
uint64_t direct_descriptors(const Descriptor& descriptor);

}  // namespace unclosed
