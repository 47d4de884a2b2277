#include "symbolize/go_binary.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "symbolize/go_layouts.h"

namespace unclosed {
namespace {

// runtime.moduledata: words of the fields that are read. They did not move from Go 1.18 to 1.26,
// but for gofunc, which moved with the table's magic.
constexpr uint64_t kTextAt = 176, kTextEndAt = 184;
constexpr uint64_t kInlineDataAt118 = 304, kInlineDataAt120 = 320;
constexpr uint64_t kModuleDataSize = 600;
constexpr unsigned kInlineDepthCap = 256;

// A pointer table with 64-bit words, aligned, whose word `first` is followed by `second`.
std::optional<uint64_t> find_pair(Bytes bytes, uint64_t first, uint64_t second) {
  for (uint64_t at = 0; at + 16 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    if (word == first && load<uint64_t>(bytes, at + 8) == second) return at;
  }
  return std::nullopt;
}

std::optional<Bytes> relocations(const ElfFile& elf) {
  if (const auto section = elf.contents(".rela.dyn")) return section;
  return elf.contents(".rela");
}

// Position-independent files keep pointers as relocations: calls `visit(address, value)` for each.
template <class Visit>
void each_relocated(const ElfFile& elf, Visit visit) {
  const auto table = relocations(elf);
  if (!table) return;
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table->size(); at += sizeof(Elf64_Rela)) {
    Elf64_Rela entry;
    std::memcpy(&entry, table->data() + at, sizeof entry);
    if (ELF64_R_TYPE(entry.r_info) == R_X86_64_RELATIVE)
      visit(entry.r_offset, static_cast<uint64_t>(entry.r_addend));
  }
}

std::optional<uint64_t> module_data_address(const ElfFile& elf, uint64_t table, uint64_t names) {
  if (const ElfSection* own = elf.section(".go.module"); own != nullptr && own->size >= 256)
    return own->address;
  for (const ElfSection& section : elf.sections()) {
    const bool data = section.name == ".noptrdata" || section.name == ".data" ||
                      section.name.starts_with(".data.rel.ro");
    const auto bytes = data ? elf.contents(section) : std::nullopt;
    const auto found = bytes ? find_pair(*bytes, table, names) : std::nullopt;
    if (found) return section.address + *found;
  }
  if (elf.sections().empty()) {
    for (const ElfSegment& segment : elf.segments()) {
      if (segment.type != PT_LOAD || (segment.flags & PF_W) == 0) continue;
      const auto bytes = slice(elf.file(), segment.offset, segment.file_size);
      const auto found = bytes ? find_pair(*bytes, table, names) : std::nullopt;
      if (found) return segment.address + *found;
    }
  }
  std::vector<uint64_t> tables, name_tables;
  each_relocated(elf, [&](uint64_t at, uint64_t value) {
    if (value == table) tables.push_back(at);
    if (value == names) name_tables.push_back(at);
  });
  for (const uint64_t at : tables)
    if (std::find(name_tables.begin(), name_tables.end(), at + 8) != name_tables.end()) return at;
  return std::nullopt;
}

struct TableAt {
  GoPclntab table;
  uint64_t address = 0;
};

// The table of functions: by section, else by its magic where the file has no section headers.
std::optional<TableAt> find_table(const ElfFile& elf, std::vector<std::string>& notes) {
  for (const char* name : {".gopclntab", ".data.rel.ro.gopclntab"}) {
    const ElfSection* section = elf.section(name);
    const auto bytes = section != nullptr ? elf.contents(*section) : std::nullopt;
    if (!bytes) continue;
    auto table = GoPclntab::parse(*bytes);
    if (table) return TableAt{*table, section->address};
    notes.push_back(table.error().context);
    return std::nullopt;
  }
  if (elf.section(".text") != nullptr && elf.section(".go.buildinfo") == nullptr)
    return std::nullopt;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type != PT_LOAD) continue;
    const auto bytes = slice(elf.file(), segment.offset, segment.file_size);
    if (!bytes) continue;
    for (uint64_t at = 0; at + 72 <= bytes->size(); at += 8) {
      uint32_t word = 0;
      std::memcpy(&word, bytes->data() + at, 4);
      if (word != GoPclntab::kMagic118 && word != GoPclntab::kMagic120) continue;
      auto table = GoPclntab::parse(bytes->subspan(at));
      if (table && table->function_count() > 0 && table->function(0))
        return TableAt{*table, segment.address + at};
    }
  }
  return std::nullopt;
}

std::optional<uint8_t> wrapper_id(std::string_view version) {
  const auto minor = go_minor(version);
  if (!minor) return std::nullopt;
  if (*minor < kOldestGo || *minor > kNewestGo) return std::nullopt;
  return static_cast<uint8_t>(*minor <= 21 ? 21 : *minor <= 24 ? 22 : 23);
}

// A wrapper is shown only where it tells what panicked.
bool shows_wrappers(std::string_view callee) {
  return callee == "runtime.gopanic" || callee == "runtime.sigpanic" ||
         callee == "runtime.panicwrap";
}

}  // namespace

std::optional<GoBinary::ModuleData> GoBinary::find_module_data(const ElfFile& elf,
                                                               uint64_t table_address,
                                                               const GoPclntab& table) {
  const auto at =
      module_data_address(elf, table_address, table_address + table.function_names_offset());
  if (!at) return std::nullopt;
  std::unordered_map<uint64_t, uint64_t> relocated;
  each_relocated(elf, [&](uint64_t where, uint64_t value) {
    if (where >= *at && where - *at < kModuleDataSize) relocated[where - *at] = value;
  });
  const auto bytes = elf.at_address(*at);
  const auto word = [&](uint64_t offset) -> uint64_t {
    const auto found = relocated.find(offset);
    if (found != relocated.end()) return found->second;
    return bytes ? load<uint64_t>(*bytes, offset).value_or(0) : 0;
  };
  const bool old = table.magic() == GoPclntab::kMagic118;
  ModuleData data{*at, word(kTextAt), word(kTextEndAt),
                  word(old ? kInlineDataAt118 : kInlineDataAt120)};
  if (word(0) != table_address || data.text == 0 || data.text_end <= data.text) return std::nullopt;
  return data;
}

std::optional<GoBinary> GoBinary::open(const ElfFile& elf, std::vector<std::string>& notes) {
  auto found = find_table(elf, notes);
  if (!found) return std::nullopt;
  GoBinary binary(found->table);
  binary.x_build = go_build_info(elf).value_or(GoBuildInfo{});
  binary.x_wrapper_id = wrapper_id(binary.x_build.version);
  const auto data = find_module_data(elf, found->address, found->table);
  if (data) {
    binary.x_text = data->text;
    binary.x_text_end = data->text_end;
    binary.x_module_data = ElfAddr{data->address};
    binary.x_inline_data = elf.at_address(data->inline_data).value_or(Bytes());
  } else {
    const ElfSection* text = elf.section(".text");
    binary.x_text = found->table.text_start();
    if (binary.x_text == 0 && text != nullptr) binary.x_text = text->address;
    if (binary.x_text == 0) return std::nullopt;
    const auto last = found->table.function(found->table.function_count() - 1);
    binary.x_text_end = binary.x_text + (last ? last->end : 0);
    notes.push_back("Go's module data was not found: inlined calls are not named");
  }
  return binary;
}

bool GoBinary::wrapper(uint8_t id, std::string_view file) const {
  return x_wrapper_id ? id == *x_wrapper_id : file == "<autogenerated>";
}

std::vector<GoFrame> GoBinary::frames_at(uint64_t address, std::string_view callee) const {
  std::vector<GoFrame> frames;
  if (address < x_text) return frames;
  uint64_t offset = address - x_text;
  const auto function = x_table.find(offset);
  if (!function) return frames;

  const auto add = [&](std::string_view name, uint8_t id, bool inlined) {
    const std::string_view file = x_table.file(*function, offset).value_or("");
    if (wrapper(id, file) && !shows_wrappers(callee)) return;
    frames.push_back({name, file, x_table.line(*function, offset).value_or(0), inlined});
    callee = name;
  };
  const auto at = x_table.inline_tree(*function);
  const auto tree = at ? tail(x_inline_data, *at) : std::nullopt;
  for (unsigned depth = 0; tree && depth < kInlineDepthCap; ++depth) {
    const auto index = x_table.inline_index(*function, offset);
    const auto node = index ? x_table.inlined(*tree, *index) : std::nullopt;
    if (!node || node->parent_pc < 0) break;
    add(node->name, node->id, true);
    offset = function->entry + static_cast<uint32_t>(node->parent_pc);
  }
  add(function->name, function->id, false);
  return frames;
}

std::optional<std::string_view> GoBinary::function_at(uint64_t address) const {
  if (address < x_text || address >= x_text_end) return std::nullopt;
  const auto function = x_table.find(address - x_text);
  return function ? std::optional(function->name) : std::nullopt;
}

std::optional<uint64_t> GoBinary::function_address(std::string_view name) const {
  for (uint64_t i = 0; i < x_table.function_count(); ++i) {
    const auto function = x_table.function(i);
    if (function && function->name == name) return x_text + function->entry;
  }
  return std::nullopt;
}

std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> GoBinary::functions(
    std::span<const std::string_view> names) const {
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> found(names.size());
  for (uint64_t i = 0; i < x_table.function_count(); ++i) {
    const auto function = x_table.function(i);
    const auto name =
        function ? std::find(names.begin(), names.end(), function->name) : names.end();
    if (name == names.end()) continue;
    found[static_cast<size_t>(name - names.begin())] = {ElfAddr{x_text + function->entry},
                                                        ElfAddr{x_text + function->end}};
  }
  return found;
}

std::optional<UnwindRow> GoBinary::row_at(ElfAddr pc) const {
  // Where the stacks of goroutines and threads begin, and where one stack is left for another.
  constexpr std::array<std::string_view, 5> kFirst = {
      "runtime.goexit", "runtime.mstart", "runtime.rt0_go", "_rt0_amd64", "_rt0_amd64_linux"};
  constexpr std::array<std::string_view, 8> kSwitches = {
      "runtime.systemstack", "runtime.mcall",     "runtime.asmcgocall", "runtime.cgocallback",
      "runtime.morestack",   "runtime.sigreturn", "runtime.gogo",       "runtime.sigtramp"};
  if (pc.value < x_text || pc.value >= x_text_end) return std::nullopt;
  const auto function = x_table.find(pc.value - x_text);
  if (!function) return std::nullopt;
  std::string_view name = function->name;
  if (name.ends_with(".abi0")) name.remove_suffix(5);
  const auto is = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (is(kFirst)) return UnwindRow{0, kOutermost, 0, UnwindType::kEnd};
  if (is(kSwitches)) return UnwindRow{0, 0, 0, UnwindType::kEnd};
  const auto size = x_table.frame_size(*function, pc.value - x_text);
  if (!size || *size < 0 || *size % 8 != 0 || *size / 8 >= UINT16_MAX) return std::nullopt;
  return UnwindRow{0, static_cast<uint16_t>(*size / 8 + 1), 0, UnwindType::kRsp};
}

std::vector<std::pair<ElfAddr, ElfAddr>> GoBinary::frameless_stubs(const ElfFile& elf) const {
  constexpr uint64_t kStubCap = 4096;
  std::vector<std::pair<ElfAddr, ElfAddr>> first, rest;
  for (uint64_t i = 0; i < x_table.function_count(); ++i) {
    const auto function = x_table.function(i);
    if (!function || !function->assembly() || function->end - function->entry > kStubCap) continue;
    const std::string_view name = function->name;
    const bool library = name.starts_with("internal/runtime/syscall") ||
                         name.starts_with("runtime/internal/syscall") ||
                         name.starts_with("syscall.") || name.starts_with("golang.org/x/sys/");
    if (!library && !name.starts_with("runtime.")) continue;
    const auto code = elf.at_address(x_text + function->entry);
    const auto body = code ? slice(*code, 0, function->end - function->entry) : std::nullopt;
    if (!body) continue;
    for (uint64_t at = 0; at + 1 < body->size(); ++at) {
      if ((*body)[at] != std::byte{0x0f} || (*body)[at + 1] != std::byte{0x05}) continue;
      // The walker sees the pc behind the instruction.
      if (x_table.frame_size(*function, function->entry + at) != 0 ||
          x_table.frame_size(*function, function->entry + at + 2) != 0)
        continue;
      const ElfAddr start{x_text + function->entry}, end{x_text + function->end};
      auto& stubs = library ? first : rest;
      // Neighbours become one range: the walker has room for few.
      if (!stubs.empty() && stubs.back().second == start)
        stubs.back().second = end;
      else
        stubs.emplace_back(start, end);
      break;
    }
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

int32_t GoBinary::tls_offset(const ElfFile& elf) const {
  constexpr int32_t kUsual = -8;
  const ElfSegment* tls = nullptr;
  for (const ElfSegment& segment : elf.segments())
    if (segment.type == PT_TLS) tls = &segment;
  if (tls == nullptr || tls->memory_size <= 8) return kUsual;
  const uint64_t align = std::max<uint64_t>(tls->align, 1);
  if (tls->memory_size > INT32_MAX || align > INT32_MAX) return kUsual;
  // Thread-local variables lie below the thread pointer, the block's start aligned.
  const uint64_t block = (tls->memory_size + align - 1) / align * align;
  if (const auto symbol = elf.symbol("runtime.tlsg"); symbol && *symbol < block)
    return static_cast<int32_t>(*symbol) - static_cast<int32_t>(block);
  // Stripped: the runtime's own code says it, "mov %fs:offset,%reg" or the store.
  const auto start = function_address("runtime.load_g");
  for (const auto& address :
       {start, function_address("runtime.rt0_go"), function_address("runtime.asmcgocall.abi0")}) {
    const auto code = address ? elf.at_address(*address) : std::nullopt;
    for (uint64_t at = 0; code && at + 9 <= std::min<uint64_t>(code->size(), 1024); ++at) {
      const auto byte = [&](uint64_t i) { return static_cast<uint8_t>((*code)[at + i]); };
      if (byte(0) != 0x64 || (byte(1) & 0xfb) != 0x48 || (byte(2) != 0x8b && byte(2) != 0x89) ||
          (byte(3) & 0xc7) != 0x04 || byte(4) != 0x25)
        continue;
      const auto offset = load<int32_t>(*code, at + 5).value_or(0);
      if (offset < 0 && offset >= -static_cast<int64_t>(block)) return offset;
    }
  }
  return kUsual;
}

// The slice of all goroutines, by the code that adds to it: the only three words in a row that it
// loads, and known in stripped files too.
std::optional<ElfAddr> GoBinary::all_goroutines(const ElfFile& elf) const {
  constexpr uint64_t kCodeCap = 2048, kLoadSize = 7;
  const auto start = function_address("runtime.allgadd");
  const auto function = start ? x_table.find(*start - x_text) : std::nullopt;
  const auto code = function ? elf.at_address(*start) : std::nullopt;
  const auto body =
      code ? slice(*code, 0, std::min(function->end - function->entry, kCodeCap)) : std::nullopt;
  if (!body || body->size() < kLoadSize) return std::nullopt;
  std::set<uint64_t> loaded;  // by mov disp(%rip),%r64
  for (uint64_t at = 0; at <= body->size() - kLoadSize; ++at) {
    const auto byte = [&](uint64_t i) { return static_cast<uint8_t>((*body)[at + i]); };
    if ((byte(0) & 0xfb) != 0x48 || byte(1) != 0x8b || (byte(2) & 0xc7) != 0x05) continue;
    const auto distance = load<int32_t>(*body, at + 3).value_or(0);
    loaded.insert(*start + at + kLoadSize + static_cast<uint64_t>(int64_t{distance}));
  }
  for (const uint64_t address : loaded) {
    if (loaded.contains(address + 8) && loaded.contains(address + 16)) return ElfAddr{address};
  }
  return std::nullopt;
}

GoLayout GoBinary::layout(const ElfFile& elf, std::vector<std::string>& notes) const {
  GoLayout layout;
  layout.version = x_build.version;
  const auto minor = go_minor(x_build.version);
  layout.runtime = minor ? go_runtime_layout(*minor) : std::nullopt;
  layout.goid_offset = layout.runtime.value_or(*go_runtime_layout(kNewestGo)).g_id;
  if (!layout.runtime) {
    notes.push_back(
        fmt::format("Go release '{}' is not known: read as 1.{}", x_build.version, kNewestGo));
  }
  // Of a release that is not known nobody can say where a goroutine was started.
  layout.gopc_offset = layout.runtime ? layout.runtime->g_go_pc : 0;
  layout.text = {ElfAddr{x_text}, ElfAddr{x_text_end}};
  layout.module_data = x_module_data;
  layout.g_tls_offset = tls_offset(elf);
  layout.frameless = frameless_stubs(elf);
  layout.all_goroutines = all_goroutines(elf);
  return layout;
}

}  // namespace unclosed
