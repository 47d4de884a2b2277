// Which goroutine runs on a stack: by the runtime's own list of them, each of which says where its
// stack lies. Asked while the thread is held, so that the answer is of that moment. What was read
// once is asked again of the goroutine itself, and believed only if its stack is still there. It
// cannot tell the goroutine of code on a thread's own stack (cgo, the runtime). tell() may be
// called from any thread, the rest from one.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/clock.h"

namespace unclosed {

struct GoroutinePlace {
  uint64_t all = 0;  // address of the slice of all goroutines; 0: not found
  uint32_t id_offset = 0;
  auto operator<=>(const GoroutinePlace&) const = default;
};

class Goroutines {
 public:
  void tell(uint32_t process, const GoroutinePlace& place);
  // Its id; 0: not known.
  uint64_t running_on(uint32_t process, uint64_t sp);

 private:
  struct Known {
    GoroutinePlace place;
    std::map<uint64_t, uint64_t> by_stack;  // start of the stack → address of the goroutine
    Instant list_after;
  };
  static uint64_t ask(uint32_t process, const Known& known, uint64_t sp);
  static void list(uint32_t process, Known& known);

  std::mutex x_mutex;
  std::unordered_map<uint32_t, Known> x_processes;
};

}  // namespace unclosed
