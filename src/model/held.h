// Who still holds a descriptor in a garbage-collected process: the chain of references from where
// the collector starts (a package variable, a goroutine's stack) down to the connection. What is
// not known stays empty: types of objects above all. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/stack.h"

namespace unclosed {

enum class HolderKind : uint8_t {
  kVariable,   // a package variable
  kGoroutine,  // a goroutine's stack, or a call that it deferred
  kRuntime,    // a list of the runtime itself: timers, …
  kGarbage,    // nothing: the next collection frees it
  kUnknown,
};
std::string_view to_string(HolderKind kind);

enum class HolderCertainty : uint8_t {
  kCertain,  // each link was read twice
  kLikely,   // a stack may keep what its function no longer uses
};
std::string_view to_string(HolderCertainty certainty);

// What the pool of a connection says of it, where the pool is one that is known and was read.
enum class InPool : uint8_t {
  kNoPool,  // no pool that is known has it
  kFree,    // its pool has it to give
  kLent,    // its pool was read, and does not have it to give
  kUnread,  // it is of a pool that could not be read, or changed while it was
};

// One object on the way to the descriptor.
struct HeldStep {
  std::string type;    // "main.session"; "" when not known
  uint64_t size = 0;   // in bytes
  std::string field;   // that leads on: "conn"; "" when not known
  bool inner = false;  // of a map, slice or the like: not of interest by itself
};

struct Holder {
  HolderKind kind = HolderKind::kUnknown;
  HolderCertainty certainty = HolderCertainty::kLikely;
  std::string name;                     // of the variable: "main.sessions"; "" when not known
  std::string type;                     // of the variable; "" when not known
  uint64_t goroutine = 0;               // its id
  bool deferred = false;                // by a call that the goroutine deferred
  uint64_t alike = 1;                   // goroutines that began alike and reach it, it the oldest
  bool own = false;                     // the user's own variable, or a goroutine with own code
  bool by_pool = false;                 // only by way of the pool that the connection is of
  std::optional<NamedFrame> frame;      // of the goroutine, that holds it
  std::optional<NamedFrame> own_frame;  // the innermost of the user's own code, if it is another
  std::vector<std::string> used_by;     // functions that use a variable without a name, a few
  std::vector<HeldStep> chain;          // from the holder to the connection
};

struct Held {
  int fd = -1;
  Holder holder;               // that says most
  std::vector<Holder> others;  // further ones, ranked
  std::string free_list;       // "database/sql.DB.freeConn": its pool has it to give; "" in none
  uint64_t pool = 0;           // where its pool lies: one and the same for all of it; 0: not known
  InPool in_pool = InPool::kNoPool;
  std::string why;             // where the holder is not known: the reason
};

struct HeldReport {
  std::vector<Held> held;  // ascending by descriptor
  uint64_t objects = 0;    // that were followed
  uint64_t bytes_read = 0, passes = 0;
  double seconds = 0;      // that it took
  uint64_t changed = 0;   // links that no longer held when they were read again
  uint64_t left_out = 0;  // objects beyond the limits
  bool complete = false;  // everything was followed to its end
};

}  // namespace unclosed
