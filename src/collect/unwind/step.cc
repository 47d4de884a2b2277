#include "collect/unwind/step.h"

#include <algorithm>

namespace unclosed {
namespace {

struct Cfa {
  uint64_t value = 0;
  std::optional<Truncation> stop;
};

Cfa cfa_of(const UnwindRegisters& at, const ReadWord& word, const UnwindRow& row, uint32_t offset,
           const std::vector<std::vector<uint8_t>>& expressions) {
  if (row.type == UnwindType::kRsp) return {at.sp + uint64_t{row.cfa} * 8, {}};
  if (row.type == UnwindType::kPlt) return {at.sp + 8 + ((offset & 15) >= 11 ? 8U : 0U), {}};
  if (row.type == UnwindType::kExpression && (row.cfa == 0 || row.cfa > expressions.size())) {
    return {0, Truncation::kExpression};
  }
  // Without rbp an expression that does not speak of it gives the same for two values of it.
  if (row.type == UnwindType::kExpression) {
    const auto& expression = expressions[row.cfa - 1U];
    const auto value = evaluate(expression, {at.pc, at.sp, at.bp.value_or(0)}, word);
    if (!value) return {0, Truncation::kExpression};
    const bool sure = at.bp || evaluate(expression, {at.pc, at.sp, 8}, word) == value;
    return sure ? Cfa{*value, {}} : Cfa{0, Truncation::kRegister};
  }
  if (!at.bp) return {0, Truncation::kRegister};
  if (row.type == UnwindType::kRbp) return {*at.bp + uint64_t{row.cfa} * 8, {}};
  const auto value =
      word(*at.bp + static_cast<uint64_t>(int64_t{static_cast<int16_t>(row.cfa)} * 8));
  return value ? Cfa{*value, {}} : Cfa{0, Truncation::kUnreadable};
}

std::optional<Truncation> step_frame_pointer(UnwindRegisters& at, const ReadWord& word) {
  if (!at.bp) return Truncation::kRegister;
  if (*at.bp == 0) return Truncation::kNone;
  const auto bp = word(*at.bp), pc = word(*at.bp + 8);
  if (!bp || !pc) return Truncation::kUnreadable;
  at = {*pc, *at.bp + 16, bp};
  return *pc == 0 ? std::optional(Truncation::kNone) : std::nullopt;
}

// The registers are in the ucontext that the kernel put on the stack.
std::optional<Truncation> step_signal(UnwindRegisters& at, const ReadWord& word) {
  const auto bp = word(at.sp + 120), sp = word(at.sp + 160), pc = word(at.sp + 168);
  if (!bp || !sp || !pc) return Truncation::kUnreadable;
  at = {*pc + 1, *sp, bp};
  return std::nullopt;
}

}  // namespace

std::optional<Truncation> step(UnwindRegisters& at, const ReadWord& word, const UnwindRow& row,
                               uint32_t offset,
                               const std::vector<std::vector<uint8_t>>& expressions) {
  if (row.type == UnwindType::kEnd) {
    return row.cfa == kOutermost ? Truncation::kNone : Truncation::kNoTable;
  }
  if (row.type == UnwindType::kFramePointer) return step_frame_pointer(at, word);
  if (row.type == UnwindType::kSignal) return step_signal(at, word);
  const Cfa cfa = cfa_of(at, word, row, offset, expressions);
  if (cfa.stop) return cfa.stop;
  const auto pc = word(cfa.value - 8);
  if (!pc) return Truncation::kUnreadable;
  if (row.type == UnwindType::kRbpDeref) {
    const auto bp = word(*at.bp);
    if (!bp) return Truncation::kUnreadable;
    at.bp = bp;
  } else if (row.rbp == 255) {
    at.bp.reset();
  } else if (row.rbp != 0) {
    const auto bp = word(cfa.value - uint64_t{row.rbp} * 8);
    if (!bp) return Truncation::kUnreadable;
    at.bp = bp;
  }
  at.pc = *pc;
  at.sp = cfa.value;
  return *pc == 0 ? std::optional(Truncation::kNone) : std::nullopt;
}

const UnwindRow* row_at(const UnwindTable& table, uint32_t offset) {
  const auto after =
      std::upper_bound(table.rows.begin(), table.rows.end(), offset,
                       [](uint32_t at, const UnwindRow& row) { return at < row.pc; });
  return after == table.rows.begin() ? nullptr : &*std::prev(after);
}

}  // namespace unclosed
