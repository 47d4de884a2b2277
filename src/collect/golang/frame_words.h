// The words in the frame of a certain function on goroutines' stacks: among them is its receiver,
// where compilers keep it while the function waits. Which word it is, is for the caller to check
// by what it points to. One thread at a time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "collect/golang/goroutine_reader.h"

namespace unclosed {

struct FrameWords {
  const LiveGoroutine* goroutine = nullptr;
  std::vector<uint64_t> words;  // that may be pointers, each once
};

// Of every goroutine in `list` that has the function on its stack still. A function that the
// program does not have is on none.
Result<std::vector<FrameWords>> frames_of(GoProcess& process, const GoroutineList& list,
                                          std::string_view function);

}  // namespace unclosed
