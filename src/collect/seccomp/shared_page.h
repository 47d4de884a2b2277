// What the supervisor and its keeper both see: a page that outlives either. The kernel writes each
// notification into it, so that whoever is left knows the call that was taken and not answered.
#pragma once

#include <linux/seccomp.h>

#include <atomic>
#include <cstdint>

#include "base/result.h"

namespace unclosed {

struct SharedPage {
  seccomp_notif call;                 // the one that the supervisor has now
  std::atomic<uint64_t> answered{0};  // how many it has answered
  std::atomic<uint64_t> held{0};      // a call that waits for a last look at its process
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
};

// A mapping that children share; for the life of the program.
Result<SharedPage*> make_shared_page();

// Lets the call go on as if nobody had looked. False: it is gone already.
bool let_go(int listener, uint64_t id);

}  // namespace unclosed
