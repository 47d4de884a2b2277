// DWARF expressions for a frame's CFA, as far as they can be told from pc, rsp, rbp and copied
// memory. Bytes of a binary: hostile, bounded. Pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace unclosed {

struct ExpressionRegisters {
  uint64_t pc = 0, sp = 0, bp = 0;
};
// The word at an address; nullopt where it was not copied.
using ReadWord = std::function<std::optional<uint64_t>(uint64_t address)>;

// The value of the expression; nullopt when it needs another register, memory that is not there, or
// an operation that frames do not use (DWARF 5, section 2.5).
std::optional<uint64_t> evaluate(std::span<const uint8_t> expression,
                                 const ExpressionRegisters& registers, const ReadWord& read);

}  // namespace unclosed
