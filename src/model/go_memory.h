// What the memory of a live Go process tells beside its goroutines: who is parked on which
// descriptor, the pools of database/sql, and the HTTP/1 requests that connections serve. Value
// types; any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/held.h"
#include "model/stack.h"

namespace unclosed {

// A goroutine that waits on a descriptor.
struct DescriptorWaiter {
  enum class For : uint8_t {
    kRead,   // parked by the runtime's poller
    kWrite,  // likewise
    kCall,   // in a system call, which holds a thread
  };
  uint64_t goroutine = 0;
  For what = For::kRead;
  pid_t thread = 0;                    // kCall
  std::string call;                    // kCall: "read", "recvfrom", …
  std::optional<double> wait_seconds;  // at least; absent: not known
  std::optional<NamedFrame> at;        // its innermost frame of own code, else the one that waits
};
std::string_view to_string(DescriptorWaiter::For what);

// A descriptor that the runtime polls, or that a goroutine waits on by itself.
struct ParkedDescriptor {
  int fd = -1;
  std::vector<DescriptorWaiter> waiters;  // empty: nobody waits on it now
};

// A pool of database/sql as it stands.
struct SqlPool {
  uint64_t address = 0;
  int64_t max_open = 0;  // 0: not limited
  int64_t max_idle = 0;
  int64_t open = 0, in_use = 0, idle = 0;
  int64_t waits = 0;        // borrows that had to wait, since it was made
  double wait_seconds = 0;  // and how long together
  struct Connection {
    bool in_use = false;
    std::optional<int> fd;  // absent: not found behind the driver's connection
  };
  std::vector<Connection> connections;
  uint64_t waiting = 0;  // goroutines found waiting for it now
};

// An HTTP/1 request on a connection. Paths are without their query.
struct HttpRequest {
  enum class Role : uint8_t { kServing, kAwaiting };  // as server; as client, for the header
  Role role = Role::kServing;
  int fd = -1;
  uint64_t goroutine = 0;  // that serves the connection or reads from it
  std::string method, path;
};
std::string_view to_string(HttpRequest::Role role);

// What reading took, in seconds: nothing of the process waited for it.
struct GoMemoryCost {
  double open = 0;         // finding everything, once
  double goroutines = 0;   // reading and naming them
  double descriptors = 0;  // who is parked on which
};

struct GoMemory {
  uint64_t running = 0;  // goroutines without a stack in memory
  uint64_t moving = 0;   // that changed whenever they were read
  uint64_t hidden = 0;   // of the runtime itself
  GoMemoryCost cost;
  std::vector<ParkedDescriptor> descriptors;  // ascending
  std::vector<SqlPool> pools;
  std::vector<HttpRequest> requests;  // ascending by descriptor
  std::optional<HeldReport> held;     // absent: was not asked for
};

}  // namespace unclosed
