#include "collect/bpf/kept_stacks.h"

#include <algorithm>
#include <utility>

namespace unclosed {
namespace {

constexpr Duration kLongestPause = std::chrono::seconds(10);
constexpr size_t kMostLooks = 1024;

}  // namespace

void KeptStacks::keep(StackId id) {
  if (id == kNoStack || x_stacks.contains(id)) return;
  const auto raw = x_kernel.stack(id);
  if (!raw) return;
  RawStack stack;
  const uint32_t frames = std::min<uint32_t>(raw->frames, UC_MAX_FRAMES);
  stack.frames.reserve(frames);
  for (uint32_t i = 0; i < frames; ++i)
    stack.frames.push_back(x_spaces.frame_of(raw->space, raw->pcs[i]));
  if (raw->start == UC_START_ADDRESS && raw->started != 0) {
    stack.started = x_spaces.frame_of(raw->space, raw->started);
  } else if (raw->start == UC_START_STACK) {
    keep(raw->started);  // a starter's own has none, so this is one step
    stack.started_by = settled(raw->started);
  }
  stack.truncated =
      raw->stop <= UC_UNREADABLE ? static_cast<Truncation>(raw->stop) : Truncation::kNoTable;
  x_probes.look_at(stack);
  x_stacks.emplace(id, std::move(stack));
}

void KeptStacks::keep(const uc_record& record, const uc_handed* handed) {
  keep(record.opened.stack);
  for (const uc_use& use : record.requests) keep(use.stack);
  if (handed != nullptr) {
    for (const uc_use& use : handed->borrowed) keep(use.stack);
    keep(handed->returned.stack);
  }
  keep(record.receive.stack);
  keep(record.duplicated.stack);
}

void KeptStacks::take_copy(const ProcessId& process, const uc_event_stack& copy,
                           const LookAgain& look_again) {
  auto space = x_spaces.space_of(process);
  RawStack stack = space ? x_spaces.walk(*space, copy) : RawStack();
  const Instant now = monotonic_now();
  if (x_next_looks.size() >= kMostLooks) x_next_looks.clear();
  NextLook& next = x_next_looks[process];
  const bool unknown = !space || x_spaces.frame_of(*space, copy.pc).module == kNoModule;
  const bool outdated = space && now >= next.at && x_spaces.outdated(*space, stack);
  if (unknown || outdated || stack.frames.size() < 3) {
    if (look_again(process)) space = x_spaces.space_of(process);
    if (space) stack = x_spaces.walk(*space, copy);
  }
  if (!space) return;
  if (outdated) {
    if (x_spaces.outdated(*space, stack)) next.pause = std::min(next.pause * 2, kLongestPause);
    next.at = now + next.pause;
  }
  uint64_t content = *space + 1;
  for (const Frame& frame : stack.frames) {
    content = (content ^ frame.module ^ frame.address.value) * 0x9e3779b97f4a7c15ULL;
    content ^= content >> 29;
  }
  const auto [first, fresh] = x_copy_by_content.emplace(content, copy.id);
  x_copies[copy.id] = first->second;
  if (fresh) x_stacks.emplace(copy.id, std::move(stack));
}

StackId KeptStacks::settled(StackId id) const {
  const auto copy = x_copies.find(id);
  return copy == x_copies.end() ? id : copy->second;
}

const RawStack* KeptStacks::find(StackId id) const {
  const auto found = x_stacks.find(id);
  return found == x_stacks.end() ? nullptr : &found->second;
}

}  // namespace unclosed
