// One step from a frame to its caller by an unwind row, on memory that somebody copied. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collect/unwind/expression.h"
#include "model/code.h"
#include "model/stack.h"

namespace unclosed {

struct UnwindRegisters {
  uint64_t pc = 0, sp = 0;
  std::optional<uint64_t> bp;  // nullopt: not known; a row that needs it cannot be stepped
};

// `offset` is the pc's from the table's base, `expressions` the table's. nullopt: go on; else why
// the walk ends, with `at` unchanged or of no use.
std::optional<Truncation> step(UnwindRegisters& at, const ReadWord& word, const UnwindRow& row,
                               uint32_t offset,
                               const std::vector<std::vector<uint8_t>>& expressions);

// The row of a table at an offset from its base; nullptr: before the first.
const UnwindRow* row_at(const UnwindTable& table, uint32_t offset);

}  // namespace unclosed
