#include "collect/golang/frame_words.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "collect/golang/stack_walk.h"

namespace unclosed {
namespace {

constexpr uint64_t kMostCopy = 256 << 10;
constexpr size_t kMostWords = 8 << 20;  // of all frames
// Behind the return address the caller keeps room for arguments that came in registers.
constexpr uint64_t kSpilled = 6 * 8;

bool pointer(uint64_t word) { return word >= 4096 && word < uint64_t{1} << 47 && word % 8 == 0; }

void take_words(Bytes bytes, std::vector<uint64_t>& words) {
  for (uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
    const uint64_t word = load<uint64_t>(bytes, at).value_or(0);
    if (pointer(word)) words.push_back(word);
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
}

}  // namespace

Result<std::vector<FrameWords>> frames_of(GoProcess& process, const GoroutineList& list,
                                          std::string_view function) {
  std::vector<FrameWords> found;
  const auto range = process.functions(std::array{function}).front();
  if (!range) return found;
  std::vector<bool> wanted;
  for (const RawStack& stack : list.stacks) {
    wanted.push_back(std::any_of(stack.frames.begin(), stack.frames.end(), [&](const Frame& frame) {
      return range->holds(process.to_process(frame.address));
    }));
  }
  StackWalk walk(process);
  std::vector<std::byte> copy;
  std::vector<uint64_t> pcs;
  std::vector<uint32_t> slots;
  size_t words = 0;
  for (const LiveGoroutine& goroutine : list.goroutines) {
    if (words > kMostWords) break;
    if (goroutine.stack >= wanted.size() || !wanted[goroutine.stack]) continue;
    copy.resize(std::min(goroutine.stack_high - goroutine.sp, kMostCopy));
    const auto got = process.memory().read(goroutine.sp, copy);
    if (!got) return got.error();
    if (!*got) continue;
    pcs.clear();
    slots.clear();
    walk.walk(goroutine.pc, goroutine.sp, copy, pcs, slots);
    for (size_t i = 0; i < pcs.size() && i < slots.size(); ++i) {
      if (!range->holds(pcs[i])) continue;
      const uint64_t from = i == 0 ? 0 : uint64_t{slots[i - 1]} + 8;
      const uint64_t to = std::min<uint64_t>(uint64_t{slots[i]} + 8 + kSpilled, copy.size());
      FrameWords frame{&goroutine, {}};
      take_words(Bytes(copy).subspan(from, to - from), frame.words);
      words += frame.words.size();
      found.push_back(std::move(frame));
      break;
    }
  }
  return found;
}

}  // namespace unclosed
