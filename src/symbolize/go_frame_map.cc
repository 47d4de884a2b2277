#include "symbolize/go_binary.h"

namespace unclosed {
namespace {

// FUNCDATA_ArgsPointerMaps, FUNCDATA_LocalsPointerMaps, FUNCDATA_StackObjects
constexpr uint32_t kArguments = 0, kLocals = 1, kObjects = 2;
constexpr uint32_t kMostWords = 1 << 20, kMostObjects = 65536;
constexpr uint64_t kObjectSize = 16;

// Bitmap `index` of a table: how many there are, how many bits each has, the bits.
std::optional<std::vector<bool>> bitmap(Bytes table, uint32_t index) {
  const uint32_t count = load<uint32_t>(table, 0).value_or(0);
  const uint32_t bits = load<uint32_t>(table, 4).value_or(0);
  if (index >= count || bits > kMostWords) return std::nullopt;
  const uint64_t size = (uint64_t{bits} + 7) / 8;
  const auto bytes = slice(table, 8 + index * size, size);
  if (!bytes) return std::nullopt;
  std::vector<bool> map(bits);
  for (uint32_t i = 0; i < bits; ++i)
    map[i] = (std::to_integer<unsigned>((*bytes)[i / 8]) >> (i % 8) & 1) != 0;
  return map;
}

}  // namespace

std::optional<GoFrameMap> GoBinary::frame_map(ElfAddr pc) const {
  if (pc.value < x_text || pc.value >= x_text_end) return std::nullopt;
  const uint64_t offset = pc.value - x_text;
  const auto function = x_table.find(offset);
  if (!function || function->assembly()) return std::nullopt;
  const auto table = [&](uint32_t number) -> std::optional<Bytes> {
    const auto at = x_table.funcdata(*function, number);
    return at ? tail(x_inline_data, *at) : std::nullopt;
  };
  const uint32_t index = x_table.stack_map_index(*function, offset);
  const auto locals = table(kLocals);
  if (!locals) return std::nullopt;
  GoFrameMap map;
  auto bits = bitmap(*locals, index);
  if (!bits) return std::nullopt;
  map.locals = std::move(*bits);
  if (const auto arguments = table(kArguments)) {
    bits = bitmap(*arguments, index);
    if (!bits) return std::nullopt;
    map.arguments = std::move(*bits);
  }
  if (const auto objects = table(kObjects)) {
    const uint64_t count = load<uint64_t>(*objects, 0).value_or(0);
    for (uint64_t i = 0; i < count && i < kMostObjects; ++i) {
      const auto at = load<int32_t>(*objects, 8 + i * kObjectSize);
      const auto size = load<int32_t>(*objects, 12 + i * kObjectSize);
      if (at && size && *size > 0) map.objects.push_back({*at, *size});
    }
  }
  return map;
}

}  // namespace unclosed
