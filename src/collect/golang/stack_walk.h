// StackWalk: walks copies of goroutines' stacks from pc and sp alone, by the linker's table of
// frame sizes; what was learnt of an address serves all stacks. It accepts nothing but what the
// tables know: a word that is no Go code ends the walk as torn. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "collect/golang/go_process.h"
#include "model/stack.h"

namespace unclosed {

class StackWalk {
 public:
  enum class End : uint8_t {
    kBeginning,  // where stacks of goroutines begin
    kSwitch,     // the stack was left for another one there (C code that called back)
    kDepth,      // more frames than are kept
    kCopyEnds,   // the copy holds no more
    kTorn,       // a word that no stack has there
  };

  // At most this many frames are kept.
  static constexpr size_t kMostFrames = 1000;

  explicit StackWalk(const GoProcess& process);

  // Of the stack from `sp` on, of which `copy` holds the first bytes: appends `pc`, then each
  // return address to `pcs`, and where it lay, in bytes from sp, to `slots` (one less than pcs).
  End walk(uint64_t pc, uint64_t sp, std::span<const std::byte> copy, std::vector<uint64_t>& pcs,
           std::vector<uint32_t>& slots);

 private:
  // How to step at one pc.
  struct Step {
    uint64_t pc = 0;    // 0: nothing is stored here
    uint32_t size = 0;  // bytes from sp to behind the return address; 0: `end` holds
    End end = End::kTorn;
  };
  const Step& step_at(uint64_t pc);
  Step look_up(uint64_t pc) const;
  void grow();

  const GoProcess& x_process;
  std::vector<Step> x_steps;  // hashed by pc; a power of two
  size_t x_known = 0;
};

}  // namespace unclosed
