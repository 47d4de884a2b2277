#include "collect/unwind/expression.h"

#include <array>

namespace unclosed {
namespace {

// Operations by their numbers in DWARF 5, table 7.9.
enum Operation : uint8_t {
  kDeref = 0x06,
  kConst1u = 0x08,
  kConst1s = 0x09,
  kConst2u = 0x0a,
  kConst2s = 0x0b,
  kConst4u = 0x0c,
  kConst4s = 0x0d,
  kConstu = 0x10,
  kConsts = 0x11,
  kDup = 0x12,
  kDrop = 0x13,
  kOver = 0x14,
  kSwap = 0x16,
  kAnd = 0x1a,
  kMinus = 0x1c,
  kMultiply = 0x1e,
  kOr = 0x21,
  kPlus = 0x22,
  kPlusConst = 0x23,
  kShiftLeft = 0x24,
  kShiftRight = 0x25,
  kEqual = 0x29,
  kGreaterEqual = 0x2a,
  kGreater = 0x2b,
  kLessEqual = 0x2c,
  kLess = 0x2d,
  kNotEqual = 0x2e,
  kLiteral0 = 0x30,
  kLiteral31 = 0x4f,
  kRegister0 = 0x70,
  kRegister31 = 0x8f,
};

class Machine {
 public:
  Machine(std::span<const uint8_t> code, const ExpressionRegisters& registers, const ReadWord& read)
      : x_code(code), x_registers(registers), x_read(read) {}

  std::optional<uint64_t> run() {
    while (x_ok && x_at < x_code.size()) step(x_code[x_at++]);
    if (!x_ok || x_depth == 0) return std::nullopt;
    return x_stack[x_depth - 1];
  }

 private:
  void step(uint8_t operation);
  void arithmetic(uint8_t operation);
  void push(uint64_t value) {
    if (x_depth == x_stack.size()) {
      x_ok = false;
    } else {
      x_stack[x_depth++] = value;
    }
  }
  uint64_t pop() {
    if (x_depth == 0) {
      x_ok = false;
      return 0;
    }
    return x_stack[--x_depth];
  }
  uint64_t bytes(size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }
  uint64_t signed_bytes(size_t count) {
    const auto shift = 64 - 8 * count;
    return static_cast<uint64_t>(static_cast<int64_t>(bytes(count) << shift) >> shift);
  }
  uint8_t byte() {
    if (x_at >= x_code.size()) {
      x_ok = false;
      return 0;
    }
    return x_code[x_at++];
  }
  uint64_t leb(bool is_signed) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      value |= uint64_t{part & 0x7fU} << shift;
      if ((part & 0x80) != 0) continue;
      if (is_signed && (part & 0x40) != 0 && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
      return value;
    }
    x_ok = false;
    return 0;
  }
  std::optional<uint64_t> register_value(unsigned number) const {
    if (number == 6) return x_registers.bp;
    if (number == 7) return x_registers.sp;
    if (number == 16) return x_registers.pc;
    return std::nullopt;
  }

  std::span<const uint8_t> x_code;
  const ExpressionRegisters& x_registers;
  const ReadWord& x_read;
  size_t x_at = 0;
  std::array<uint64_t, 16> x_stack{};
  size_t x_depth = 0;
  bool x_ok = true;
};

void Machine::step(uint8_t operation) {
  if (operation >= kLiteral0 && operation <= kLiteral31) return push(operation - kLiteral0);
  if (operation >= kRegister0 && operation <= kRegister31) {
    const uint64_t offset = leb(true);
    const auto value = register_value(operation - kRegister0);
    x_ok = x_ok && value.has_value();
    return push(value.value_or(0) + offset);
  }
  switch (operation) {
    case kDeref: {
      const auto value = x_read(pop());
      x_ok = x_ok && value.has_value();
      return push(value.value_or(0));
    }
    case kConst1u:
      return push(bytes(1));
    case kConst1s:
      return push(signed_bytes(1));
    case kConst2u:
      return push(bytes(2));
    case kConst2s:
      return push(signed_bytes(2));
    case kConst4u:
      return push(bytes(4));
    case kConst4s:
      return push(signed_bytes(4));
    case kConstu:
      return push(leb(false));
    case kConsts:
      return push(leb(true));
    case kPlusConst:
      return push(pop() + leb(false));
    case kDrop:
      pop();
      return;
    case kDup: {
      const uint64_t top = pop();
      push(top);
      return push(top);
    }
    default:
      return arithmetic(operation);
  }
}

void Machine::arithmetic(uint8_t operation) {
  const uint64_t b = pop(), a = pop();
  const auto signed_a = static_cast<int64_t>(a), signed_b = static_cast<int64_t>(b);
  switch (operation) {
    case kOver:
      push(a), push(b), push(a);
      return;
    case kSwap:
      push(b), push(a);
      return;
    case kAnd:
      return push(a & b);
    case kMinus:
      return push(a - b);
    case kMultiply:
      return push(a * b);
    case kOr:
      return push(a | b);
    case kPlus:
      return push(a + b);
    case kShiftLeft:
      return push(b < 64 ? a << b : 0);
    case kShiftRight:
      return push(b < 64 ? a >> b : 0);
    case kEqual:
      return push(a == b ? 1 : 0);
    case kNotEqual:
      return push(a != b ? 1 : 0);
    case kGreaterEqual:
      return push(signed_a >= signed_b ? 1 : 0);
    case kGreater:
      return push(signed_a > signed_b ? 1 : 0);
    case kLessEqual:
      return push(signed_a <= signed_b ? 1 : 0);
    case kLess:
      return push(signed_a < signed_b ? 1 : 0);
    default:
      x_ok = false;
  }
}

}  // namespace

std::optional<uint64_t> evaluate(std::span<const uint8_t> expression,
                                 const ExpressionRegisters& registers, const ReadWord& read) {
  return Machine(expression, registers, read).run();
}

}  // namespace unclosed
