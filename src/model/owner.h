// Whom a connection belongs to at one moment, as the memory of its process tells: whether the
// goroutine that used it last still exists, which goroutines wait on it, and what still refers to
// it. What was not read or is not known is absent. Value types; any thread.
#pragma once

#include <cstdint>
#include <memory>
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
  bool for_pool = false;               // it waits until a pool has a connection for it
};

struct Owner {
  // The goroutine that made the last request, or was handed the connection last.
  std::optional<uint64_t> user;            // absent: none is known
  std::optional<GoroutineNow> user_now;    // absent while `user` is known: it has ended
  std::vector<DescriptorWaiter> waiters;   // on the connection itself
  std::optional<Held> held;                // absent: nobody asked
  std::optional<GoroutineNow> holder_now;  // where a goroutine holds it
  std::optional<HttpRequest> request;      // that it serves or awaits
  std::shared_ptr<const SqlPool> pool;     // that it is of; null: of none that is known
  bool lent = false;                       // by the books of `pool`
  uint64_t want_one = 0;                   // goroutines of the process that wait for a pool
  // A goroutine with own code holds it for certain, and each of several such goroutines holds one.
  bool one_each = false;
  // Lent, and what holds it has the very thing that the pool lent, and nothing else that it lent.
  bool in_hand = false;
};

// Whether a goroutine has what database/sql gave it (rows, a transaction, a connection), and does
// not reach it by way of the pool or of something of its own.
bool holds_what_was_lent(const Holder& holder);

// The goroutine that has it in hand: that used it last, or that its pool lent it to, by what refers
// to it; nullptr: not known, or it has ended.
const GoroutineNow* borrower(const Owner& owner);

// Whether nobody waits for an answer on it: no goroutine is parked there, and the one that used it
// last has ended or waits elsewhere. False where that one is not known, or may be in a system call.
bool unawaited(const Owner& owner);

// Whether what holds it is a goroutine that neither used it last, nor borrowed it, nor serves the
// request on it, nor holds one as others of its kind do where nobody is known to have used them:
// such a one, and each of many alike, reaches the pool that the connection is of, and says nothing
// of it.
bool keeps_a_pool(const Owner& owner);

}  // namespace unclosed
