// Looks at the descriptors of processes once: the engine behind `ls`. It reads, and leaves nothing
// behind; without privileges by /proc and sock_diag, else by an iterator in the kernel. One call at
// a time.
#pragma once

#include <atomic>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "collect/procfs/procfs.h"
#include "model/listing.h"

namespace unclosed {

enum class ListingRung : uint8_t { kBest, kBpf, kProc };
enum class ListingNames : uint8_t { kSkip, kRead };  // paths of files

struct ListingSettings {
  std::vector<ProcessId> targets;  // empty: all processes that can be read
  Duration window{};               // over which the number of descriptors is watched; zero: not
  ListingRung rung = ListingRung::kBest;
  ListingNames names = ListingNames::kSkip;
};

// Ends early, with what it has, when `interrupts` becomes positive. kDenied, kUnsupported: only
// where the rung was asked for by name.
Result<Listing> take_listing(const ListingSettings& settings, const std::atomic<int>& interrupts);

}  // namespace unclosed
