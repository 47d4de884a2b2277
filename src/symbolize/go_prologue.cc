#include "symbolize/go_prologue.h"

#include <initializer_list>

namespace unclosed {
namespace {

class Instructions {
 public:
  explicit Instructions(Bytes code) : x_code(code) {}
  uint32_t at() const { return x_at; }

  // Steps over an instruction that begins with `opcode` and has `more` bytes behind it.
  bool take(std::initializer_list<uint8_t> opcode, uint32_t more) {
    if (!next_is(opcode) || x_code.size() - x_at - opcode.size() < more) return false;
    x_at += static_cast<uint32_t>(opcode.size()) + more;
    return true;
  }
  bool next_is(std::initializer_list<uint8_t> opcode) const {
    if (x_code.size() - x_at < opcode.size()) return false;
    uint32_t i = x_at;
    for (const uint8_t byte : opcode) {
      if (x_code[i++] != std::byte{byte}) return false;
    }
    return true;
  }

 private:
  Bytes x_code;
  uint32_t x_at = 0;
};

// Everything before the branch: compares the stack's guard, at 16(%r14), with rsp, or with r12
// where the frame is larger (obj6.go, stacksplit).
bool take_comparison(Instructions& code) {
  if (code.take({0x49, 0x3b, 0x66, 0x10}, 0)) return true;    // cmp 16(%r14),%rsp
  const bool lea = code.take({0x4c, 0x8d, 0x64, 0x24}, 1) ||  // lea -N(%rsp),%r12
                   code.take({0x4c, 0x8d, 0xa4, 0x24}, 4);
  if (!lea) {
    // Huge frames: mov %rsp,%r12; sub $N,%r12; jb
    if (!code.take({0x49, 0x89, 0xe4}, 0) || !code.take({0x49, 0x81, 0xec}, 4)) return false;
    if (!code.take({0x72}, 1) && !code.take({0x0f, 0x82}, 4)) return false;
  }
  return code.take({0x4d, 0x3b, 0x66, 0x10}, 0);  // cmp 16(%r14),%r12
}

}  // namespace

std::optional<uint32_t> go_probe_offset(Bytes bytes) {
  Instructions code(bytes);
  if (!take_comparison(code)) return std::nullopt;
  const uint32_t branch = code.at();
  if (!code.take({0x76}, 1) && !code.take({0x0f, 0x86}, 4)) return std::nullopt;  // jbe
  if (code.next_is({0x55})) return code.at();                                     // push %rbp
  // sub $N,%rsp: before Go 1.21 the frame pointer is saved behind it.
  if (code.next_is({0x48, 0x83, 0xec}) || code.next_is({0x48, 0x81, 0xec})) return branch;
  return std::nullopt;
}

}  // namespace unclosed
