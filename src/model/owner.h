// Whom a connection belongs to at one moment, as the memory of its process tells: whether the
// goroutine that used it last still exists, which goroutines wait on it, and what still refers to
// it. What was not read or is not known is absent. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/go_memory.h"
#include "model/held.h"
#include "model/stack.h"

namespace unclosed {

// A goroutine as it stands.
struct GoroutineNow {
  uint64_t id = 0;
  std::string state;                   // in the runtime's words: "chan receive"
  std::optional<double> wait_seconds;  // at least; absent: not known
  std::optional<NamedFrame> at;        // its innermost frame of own code, else the one that waits
  bool own = false;                    // `at` is own code
};

struct Owner {
  // The goroutine that made the last request, or was handed the connection last.
  std::optional<uint64_t> user;            // absent: none is known
  std::optional<GoroutineNow> user_now;    // absent while `user` is known: it has ended
  std::vector<DescriptorWaiter> waiters;   // on the connection itself
  std::optional<Held> held;                // absent: nobody asked
  std::optional<GoroutineNow> holder_now;  // where a goroutine holds it
  std::optional<HttpRequest> request;      // that it serves or awaits
};

// Whether what holds it is a goroutine that is not the one that used it last: such a one reaches
// the pool that the connection is of, and says nothing of this connection.
inline bool keeps_a_pool(const Owner& owner) {
  return owner.held && owner.held->holder.kind == HolderKind::kGoroutine &&
         owner.user != owner.held->holder.goroutine;
}

}  // namespace unclosed
