// What the supervisor and its keeper both see: a page that outlives either. The kernel writes each
// notification into it, so that whoever is left knows the call that was taken and not answered.
#pragma once

#include <linux/seccomp.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "base/result.h"

namespace unclosed {

struct SharedPage {
  seccomp_notif call;                 // the one that the supervisor has now
  std::atomic<uint64_t> answered{0};  // how many it has answered
  // Calls that wait until their processes were looked at; 0: none.
  static constexpr size_t kMostHeld = 32;
  std::array<std::atomic<uint64_t>, kMostHeld> held{};
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
};

// A mapping that children share; for the life of the program.
Result<SharedPage*> make_shared_page();

// Lets the call go on as if nobody had looked. False: it is gone already.
bool let_go(int listener, uint64_t id);

}  // namespace unclosed
