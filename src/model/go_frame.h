// Which words of a Go function's frame hold pointers that are still used, as the compiler notes it
// for the collector. Value types; any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace unclosed {

struct GoFrameMap {
  // A variable that lies on the stack and whose address was taken: from where the frame's variables
  // end (below it: negative) or from where its arguments begin.
  struct Object {
    int32_t offset = 0, size = 0;
  };
  std::vector<bool> locals;     // a bit a word; the last lies at the end of the variables
  std::vector<bool> arguments;  // a bit a word, from where the arguments begin
  std::vector<Object> objects;
};

}  // namespace unclosed
