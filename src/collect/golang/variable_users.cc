#include "collect/golang/variable_users.h"

#include <algorithm>

#include "base/bytes.h"

namespace unclosed {
namespace {

constexpr uint64_t kPart = 1 << 20;  // bytes of code that are read at a time
constexpr uint64_t kMostCode = 1 << 30;
constexpr size_t kMostUses = 8 << 20;
constexpr uint64_t kNearest = 512;  // how far below an address its variable may begin
constexpr uint64_t kOverlap = 16;   // longest instruction

// Bytes of a constant behind the address in an instruction that reads, writes, compares or takes
// the address of a word; nullopt: it does none of this.
std::optional<uint64_t> constant_behind(unsigned opcode) {
  switch (opcode) {
    case 0x8b:
    case 0x89:
    case 0x8d:
    case 0x87:
    case 0x39:
    case 0x3b:
      return 0;
    case 0x83:
      return 1;
    case 0xc7:
    case 0x81:
      return 4;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<VariableUsers> VariableUsers::read(GoProcess& process) {
  VariableUsers users;
  const AddressRange text = process.text();
  const auto& variables = process.variables();
  const AddressRange data = variables.data, bss = variables.bss;
  std::vector<std::byte> code;
  for (uint64_t from = text.start; from < text.end && from - text.start < kMostCode;
       from += kPart) {
    code.resize(std::min(kPart + kOverlap, text.end - from));
    const auto got = process.memory().read(from, code);
    if (!got) return got.error();
    if (!*got) continue;
    for (uint64_t at = 3; at + 4 <= code.size() && at < kPart + 3; ++at) {
      const auto byte = [&](uint64_t back) { return std::to_integer<unsigned>(code[at - back]); };
      // 64 bits wide, at an address relative to the next instruction.
      if ((byte(1) & 0xc7) != 0x05 || (byte(3) & 0xf8) != 0x48) continue;
      const auto behind = constant_behind(byte(2));
      if (!behind) continue;
      const auto distance = load<int32_t>(Bytes(code), at).value_or(0);
      const uint64_t named = from + at + 4 + *behind + static_cast<uint64_t>(int64_t{distance});
      if (named % 8 == 0 && (data.holds(named) || bss.holds(named)) &&
          users.x_uses.size() < kMostUses)
        users.x_uses.emplace_back(named, from + at);
    }
  }
  std::sort(users.x_uses.begin(), users.x_uses.end());
  return users;
}

std::optional<uint64_t> VariableUsers::variable(uint64_t address) const {
  const auto after = std::upper_bound(x_uses.begin(), x_uses.end(), std::pair(address, UINT64_MAX));
  if (after == x_uses.begin() || address - std::prev(after)->first > kNearest) return std::nullopt;
  return std::prev(after)->first;
}

std::vector<uint64_t> VariableUsers::of(uint64_t address, size_t most) const {
  std::vector<uint64_t> found;
  const auto start = variable(address);
  if (!start) return found;
  auto use = std::lower_bound(x_uses.begin(), x_uses.end(), std::pair(*start, uint64_t{0}));
  for (; use != x_uses.end() && use->first == *start && found.size() < most; ++use)
    found.push_back(use->second);
  return found;
}

}  // namespace unclosed
