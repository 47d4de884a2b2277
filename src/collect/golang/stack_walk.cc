#include "collect/golang/stack_walk.h"

#include <utility>

#include "base/bytes.h"
#include "collect/golang/goroutine_state.h"

namespace unclosed {
namespace {

constexpr size_t kFirstSteps = 4096;

size_t hashed(uint64_t pc) { return static_cast<size_t>((pc * 0x9e3779b97f4a7c15ULL) >> 20); }

}  // namespace

StackWalk::StackWalk(const GoProcess& process) : x_process(process), x_steps(kFirstSteps) {}

StackWalk::Step StackWalk::look_up(uint64_t pc) const {
  Step step{pc, 0, End::kTorn};
  if (!x_process.text().holds(pc)) return step;
  const auto row = x_process.code().go_row(x_process.module(), x_process.to_file(pc));
  if (!row) return step;
  if (row->type == UnwindType::kRsp) {
    step.size = uint32_t{row->cfa} * 8;
  } else {
    step.end = row->cfa == kOutermost ? End::kBeginning : End::kSwitch;
  }
  return step;
}

void StackWalk::grow() {
  std::vector<Step> old(x_steps.size() * 2);
  std::swap(old, x_steps);
  for (const Step& step : old) {
    if (step.pc == 0) continue;
    size_t at = hashed(step.pc) & (x_steps.size() - 1);
    while (x_steps[at].pc != 0) at = (at + 1) & (x_steps.size() - 1);
    x_steps[at] = step;
  }
}

const StackWalk::Step& StackWalk::step_at(uint64_t pc) {
  static constexpr Step kNone{};
  if (pc == 0) return kNone;
  size_t at = hashed(pc) & (x_steps.size() - 1);
  while (x_steps[at].pc != 0) {
    if (x_steps[at].pc == pc) return x_steps[at];
    at = (at + 1) & (x_steps.size() - 1);
  }
  const Step step = look_up(pc);
  // Words that are no code are many, and need no place.
  if (step.size == 0 && step.end == End::kTorn) return kNone;
  if (++x_known * 2 > x_steps.size()) grow();
  at = hashed(pc) & (x_steps.size() - 1);
  while (x_steps[at].pc != 0) at = (at + 1) & (x_steps.size() - 1);
  x_steps[at] = step;
  return x_steps[at];
}

StackWalk::End StackWalk::walk(uint64_t pc, uint64_t sp, std::span<const std::byte> copy,
                               std::vector<uint64_t>& pcs, std::vector<uint32_t>& slots) {
  uint64_t used = 0;  // bytes from sp to where the frame of pc ends
  for (size_t frames = 0;; ++frames) {
    const Step& step = step_at(pc);
    if (step.size == 0 && step.end == End::kTorn) return End::kTorn;
    if (frames == kMostFrames) return End::kDepth;
    pcs.push_back(pc);
    if (frames > 0) slots.push_back(static_cast<uint32_t>(used - 8));
    if (step.size == 0) return step.end;
    used += step.size;
    if (used > kMostStack || used > UINT64_MAX - sp) return End::kTorn;
    const auto word = load<uint64_t>(copy, used - 8);
    if (!word) return End::kCopyEnds;
    pc = *word;
  }
}

}  // namespace unclosed
