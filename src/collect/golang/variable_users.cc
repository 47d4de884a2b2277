#include "collect/golang/variable_users.h"

#include <algorithm>

#include "base/bytes.h"

namespace unclosed {
namespace {

constexpr uint64_t kPart = 1 << 20;      // bytes of code that are read at a time
constexpr uint64_t kMostCode = 1 << 30;
constexpr size_t kMostUses = 8 << 20;
constexpr uint64_t kNearest = 512;       // how far below an address its variable may begin
constexpr uint64_t kOverlap = 16;        // longest instruction

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
    for (uint64_t at = 1; at + 4 <= code.size() && at < kPart; ++at) {
      // The byte before says: an address relative to the next instruction follows.
      if ((std::to_integer<unsigned>(code[at - 1]) & 0xc7) != 0x05) continue;
      const auto distance = load<int32_t>(Bytes(code), at).value_or(0);
      const uint64_t address = from + at + 4 + static_cast<uint64_t>(int64_t{distance});
      // Behind it may stand a value of one, two or four bytes.
      for (const uint64_t behind : {0, 1, 4}) {
        const uint64_t named = address + behind;
        if (named % 8 == 0 && (data.holds(named) || bss.holds(named)) &&
            users.x_uses.size() < kMostUses)
          users.x_uses.emplace_back(named, from + at);
      }
    }
  }
  std::sort(users.x_uses.begin(), users.x_uses.end());
  return users;
}

std::vector<uint64_t> VariableUsers::of(uint64_t address, size_t most) const {
  std::vector<uint64_t> found;
  auto after = std::upper_bound(x_uses.begin(), x_uses.end(), std::pair(address, UINT64_MAX));
  if (after == x_uses.begin()) return found;
  const uint64_t variable = std::prev(after)->first;
  if (address - variable > kNearest) return found;
  auto use = std::lower_bound(x_uses.begin(), after, std::pair(variable, uint64_t{0}));
  for (; use != after && found.size() < most; ++use) found.push_back(use->second);
  return found;
}

}  // namespace unclosed
