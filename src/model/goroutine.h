// Goroutines of one process at one moment, whoever told of them: a profile, the log of a panic, or
// the process's own memory. A source that does not say something leaves it absent: goroutine
// profiles of counts know neither ids nor states nor times. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/stack.h"

namespace unclosed {

// How long goroutines of a group have been waiting. The runtime counts whole minutes in its dumps,
// and from the first garbage collection that saw them wait: a lower bound.
struct WaitSeconds {
  double min = 0, max = 0;
  bool operator==(const WaitSeconds&) const = default;
};

// Goroutines that do the same: equal stacks, state and creator.
struct GoroutineGroup {
  uint64_t count = 0;
  // In the runtime's words of any release, without scan and lock marks: "IO wait", "chan receive",
  // "select", "sync.Mutex.Lock", "running"; "" where the source does not say.
  std::string state;
  std::optional<WaitSeconds> wait;  // absent: under a minute, or the source does not say
  std::vector<NamedFrame> stack;    // innermost first
  Truncation truncated = Truncation::kNone;
  std::optional<NamedFrame> created_by;  // the go statement that started them
  // Its ancestors beyond that, where GODEBUG=tracebackancestors told them; innermost first.
  std::vector<std::vector<NamedFrame>> ancestors;
  // Goroutines that ran these go statements, where all of the group have the same; 0: not known.
  uint64_t parent = 0;
  uint64_t locked_to_thread = 0;  // of `count`
  uint64_t leaked = 0;            // of `count`: the runtime's own detector found them unreachable
  std::vector<uint64_t> ids;      // the first few; empty: the source does not say
  std::optional<int64_t> growth;  // against the first capture; absent: there was only one
  std::vector<uint64_t> course;   // its count in each capture, in order; empty: there was only one
  // Of state, stack and creator: equal in other captures of the same kind of source; 0: none.
  uint64_t key = 0;
};

// The frame that waits (the innermost outside of the runtime and of package sync), by index into
// the stack; nullopt: no such frame.
std::optional<size_t> blocked_at(const GoroutineGroup& group);
// The innermost frame of the user's own code; nullopt: there is none.
std::optional<size_t> own_frame(const GoroutineGroup& group);
std::optional<size_t> own_frame(const std::vector<NamedFrame>& stack);

// What the goroutines of a group wait in, by state and stack.
enum class Parked : uint8_t {
  kNetworkRead,
  kNetworkWrite,  // also while connecting
  kAccept,
  kChannelReceive,
  kChannelSend,
  kSelect,
  kLock,
  kOthers,  // for others to be done: sync.WaitGroup, sync.Cond
  kSleep,
  kSystemCall,
  kRunning,  // or ready to
  kOther,    // the runtime's own reasons
  kUnknown,  // the source does not say
};
inline constexpr size_t kParkedKinds = static_cast<size_t>(Parked::kUnknown) + 1;
Parked parked_in(const GoroutineGroup& group);
std::string_view to_string(Parked parked);  // "network read"

// A site that allocates, from a heap profile.
struct AllocationSite {
  std::vector<NamedFrame> stack;  // innermost first
  int64_t in_use_bytes = 0, in_use_objects = 0, allocated_bytes = 0, allocated_objects = 0;
  std::optional<int64_t> growth_bytes;  // of in_use_bytes, against the first capture
  uint64_t key = 0;                     // of the stack, as of a group
};

// A site that waited for others, from a mutex profile (its unlock) or a block profile (its wait).
struct ContentionSite {
  std::vector<NamedFrame> stack;  // innermost first
  int64_t contentions = 0;
  double delay_seconds = 0;              // summed over the life of the process
  std::optional<double> growth_seconds;  // against the first capture
  uint64_t key = 0;
};

struct GoroutineCapture {
  std::string source;  // a file's name, a URL without secrets, or "pid 4242"
  std::string rung;    // "pprof", "log" or "memory"
  std::string go;      // "go1.26.8"; "" when not known
  uint64_t goroutines = 0;
  std::optional<int64_t> growth;       // of `goroutines`, against the first capture
  std::vector<GoroutineGroup> groups;  // the most grown first, then the largest
  uint64_t others = 0;                 // goroutines in none of `groups`: there were too many kinds
  // What the runtime's own detector found (goroutineleak, Go 1.26 and newer); largest first.
  std::vector<GoroutineGroup> leaked;
  std::vector<AllocationSite> allocations;
  std::vector<ContentionSite> contentions;
  std::optional<uint64_t> damaged_at;     // byte offset from which the source could not be read
  std::optional<double> seconds_between;  // of two captures
  std::vector<std::string> notes;         // what was not seen, in sentences
};

}  // namespace unclosed
