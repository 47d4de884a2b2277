// Which goroutine runs on a stack: by the runtime's own list of them, each of which says where its
// stack lies. Asked while the thread is held, so that the answer is of that moment. What was read
// once is asked again of the goroutine itself, and believed only if its stack is still there. It
// cannot tell the goroutine of code on a thread's own stack (cgo, the runtime). tell() may be
// called from any thread, the rest from one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
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
  struct Running {
    uint64_t id = 0;
    size_t copied = 0;  // of its stack, from sp on
  };
  // With the stack, up to its beginning, as far as there is room; nullopt: not known.
  std::optional<Running> running_on(uint32_t process, uint64_t sp, std::span<uint8_t> stack);

 private:
  struct Known {
    GoroutinePlace place;
    struct Stack {
      uint64_t high = 0, goroutine = 0;  // its address
    };
    std::map<uint64_t, Stack> by_stack;  // by where the stack starts
    Duration saved{};  // time for listings
    Instant counted;   // when that was so
  };
  static std::optional<Running> ask(uint32_t process, const Known& known, uint64_t sp,
                                    std::span<uint8_t> stack);
  static void list(uint32_t process, Known& known);

  std::mutex x_mutex;
  std::unordered_map<uint32_t, Known> x_processes;
};

}  // namespace unclosed
