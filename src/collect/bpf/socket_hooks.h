// Which hooks tell of what sockets send and receive. Value type; any thread.
#pragma once

namespace unclosed {

// kNever: the exits of system calls, as on a kernel without tracepoints of sockets (before 6.3).
enum class SocketHooks { kWherePresent, kNever };

}  // namespace unclosed
