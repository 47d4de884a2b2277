#include "symbolize/go_pclntab.h"

#include "symbolize/cursor.h"

namespace unclosed {
namespace {

constexpr uint64_t kFunctionCap = 4'000'000;
constexpr size_t kNameCap = 64 * 1024;
constexpr unsigned kStepCap = 1'000'000;  // of one pc table; real ones have thousands
constexpr uint32_t kStackMapIndex = 1;  // PCDATA_StackMapIndex
constexpr uint32_t kInlineTreeIndex = 2, kInlineTree = 3;  // PCDATA_InlTreeIndex, FUNCDATA_InlTree

}  // namespace

Result<GoPclntab> GoPclntab::parse(Bytes table) {
  GoPclntab parsed;
  const auto magic = load<uint32_t>(table, 0);
  const auto quantum = load<uint8_t>(table, 6), word = load<uint8_t>(table, 7);
  if (!magic || !quantum || !word) return Error{ErrorKind::kCorrupt, "a Go table without a header"};
  if (*magic != kMagic118 && *magic != kMagic120)
    return Error{ErrorKind::kUnsupported, "a Go table of another layout than Go 1.18 to 1.26"};
  if (*word != 8 || *quantum != 1)
    return Error{ErrorKind::kUnsupported, "a Go table of another machine"};
  parsed.x_magic = *magic;
  parsed.x_count = load<uint64_t>(table, 8).value_or(0);
  parsed.x_text_start = load<uint64_t>(table, 24).value_or(0);
  const auto part = [&](uint64_t at) -> std::optional<Bytes> {
    const auto offset = load<uint64_t>(table, at);
    return offset ? tail(table, *offset) : std::nullopt;
  };
  const auto names = part(32), units = part(40), files = part(48), values = part(56),
             functions = part(64);
  if (!names || !units || !files || !values || !functions)
    return Error{ErrorKind::kCorrupt, "a Go table whose parts lie outside of it"};
  if (parsed.x_count > kFunctionCap)
    return Error{ErrorKind::kLimit, "a Go table of more than 4 million functions"};
  if (!slice(*functions, 0, parsed.x_count * 8 + 4))
    return Error{ErrorKind::kCorrupt, "a Go table that ends before its functions do"};
  parsed.x_names_offset = load<uint64_t>(table, 32).value_or(0);
  parsed.x_names = *names;
  parsed.x_units = *units;
  parsed.x_files = *files;
  parsed.x_values = *values;
  parsed.x_functions = *functions;
  return parsed;
}

std::optional<std::string_view> GoPclntab::name_at(int32_t offset) const {
  if (offset < 0) return std::nullopt;
  return text_at(x_names, static_cast<uint64_t>(offset), kNameCap);
}

std::optional<GoFunction> GoPclntab::function(uint64_t index) const {
  if (index >= x_count) return std::nullopt;
  const auto entry = load<uint32_t>(x_functions, index * 8);
  const auto at = load<uint32_t>(x_functions, index * 8 + 4);
  const auto next = load<uint32_t>(x_functions, index * 8 + 8);
  if (!entry || !at || !next || *next <= *entry) return std::nullopt;
  const auto rest = tail(x_functions, *at);
  if (!rest) return std::nullopt;
  // Go 1.20 put startLine before funcID.
  const uint64_t id_at = x_magic == kMagic118 ? 36 : 40;
  Cursor in(*rest);
  GoFunction function;
  function.entry = *entry;
  function.end = *next;
  in.skip(4);
  const auto name = static_cast<int32_t>(in.u32());
  in.skip(8);
  function.frame_table = in.u32();
  function.file_table = in.u32();
  function.line_table = in.u32();
  function.pcdata_count = in.u32();
  function.unit = in.u32();
  in.skip(id_at - 36);
  function.id = in.u8();
  function.flags = in.u8();
  in.skip(1);
  function.funcdata_count = in.u8();
  if (!in.ok()) return std::nullopt;
  function.data = rest->subspan(id_at + 4);
  function.name = name_at(name).value_or(std::string_view());
  return function;
}

std::optional<GoFunction> GoPclntab::find(uint64_t offset) const {
  uint64_t low = 0, high = x_count;  // the entry after the last holds the end of text
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const auto entry = load<uint32_t>(x_functions, middle * 8);
    if (!entry) return std::nullopt;
    if (*entry <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return std::nullopt;
  auto found = function(low - 1);
  if (!found || offset < found->entry || offset >= found->end) return std::nullopt;
  return found;
}

std::optional<int32_t> GoPclntab::value(const GoFunction& function, uint32_t table,
                                        uint64_t offset) const {
  if (table == 0) return std::nullopt;
  const auto rest = tail(x_values, table);
  if (!rest) return std::nullopt;
  Cursor in(*rest);
  uint64_t pc = function.entry;
  uint32_t value = UINT32_MAX;  // -1
  for (unsigned step = 0; step < kStepCap; ++step) {
    const auto delta = static_cast<uint32_t>(in.uleb());
    if (delta == 0 && step != 0) return std::nullopt;
    value += (delta & 1) != 0 ? ~(delta >> 1) : delta >> 1;
    pc += static_cast<uint32_t>(in.uleb());
    if (!in.ok()) return std::nullopt;
    if (offset < pc) return static_cast<int32_t>(value);
  }
  return std::nullopt;
}

std::optional<uint32_t> GoPclntab::line(const GoFunction& function, uint64_t offset) const {
  const auto found = value(function, function.line_table, offset);
  if (!found || *found <= 0) return std::nullopt;
  return static_cast<uint32_t>(*found);
}

std::optional<std::string_view> GoPclntab::file(const GoFunction& function, uint64_t offset) const {
  const auto number = value(function, function.file_table, offset);
  if (!number || *number < 0) return std::nullopt;
  const uint64_t index = uint64_t{function.unit} + static_cast<uint32_t>(*number);
  const auto at = load<uint32_t>(x_units, index * 4);
  if (!at || *at == UINT32_MAX) return std::nullopt;
  return text_at(x_files, *at, kNameCap);
}

std::optional<uint32_t> GoPclntab::inline_index(const GoFunction& function, uint64_t offset) const {
  if (function.pcdata_count <= kInlineTreeIndex) return std::nullopt;
  const auto table = load<uint32_t>(function.data, kInlineTreeIndex * 4);
  const auto index = table ? value(function, *table, offset) : std::nullopt;
  if (!index || *index < 0) return std::nullopt;
  return static_cast<uint32_t>(*index);
}

uint32_t GoPclntab::stack_map_index(const GoFunction& function, uint64_t offset) const {
  if (function.pcdata_count <= kStackMapIndex) return 0;
  const auto table = load<uint32_t>(function.data, kStackMapIndex * 4);
  const auto index = table ? value(function, *table, offset) : std::nullopt;
  return index && *index > 0 ? static_cast<uint32_t>(*index) : 0;
}

std::optional<uint32_t> GoPclntab::funcdata(const GoFunction& function, uint32_t table) const {
  if (function.funcdata_count <= table) return std::nullopt;
  const auto at = load<uint32_t>(function.data, (uint64_t{function.pcdata_count} + table) * 4);
  if (!at || *at == UINT32_MAX) return std::nullopt;
  return at;
}

std::optional<uint32_t> GoPclntab::inline_tree(const GoFunction& function) const {
  return funcdata(function, kInlineTree);
}

std::optional<GoInlined> GoPclntab::inlined(Bytes tree, uint32_t index) const {
  // 1.18: parent i16, id u8, pad, file i32, line i32, function i32, parent pc i32.
  // 1.20: id u8, pad 3, function i32, parent pc i32, start line i32.
  const bool old = x_magic == kMagic118;
  const auto node = slice(tree, uint64_t{index} * (old ? 20 : 16), old ? 20 : 16);
  if (!node) return std::nullopt;
  GoInlined inlined;
  inlined.id = load<uint8_t>(*node, old ? 2 : 0).value_or(0);
  inlined.name = name_at(load<int32_t>(*node, old ? 12 : 4).value_or(-1)).value_or("");
  inlined.parent_pc = load<int32_t>(*node, old ? 16 : 8).value_or(-1);
  return inlined;
}

}  // namespace unclosed
