#include "symbolize/elf_file.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>

namespace unclosed {
namespace {

constexpr uint64_t kSectionCap = 512ULL << 20;
constexpr size_t kSymbolCap = 4'000'000;
constexpr uint64_t kPage = 4096;

Error corrupt(std::string_view what) {
  return Error{ErrorKind::kCorrupt, std::string("not a readable ELF file: ") + std::string(what)};
}

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

ElfSegment segment_of(const Elf64_Phdr& header) {
  return {header.p_type,   header.p_flags, header.p_offset, header.p_vaddr,
          header.p_filesz, header.p_memsz, header.p_align};
}

// The notes of `bytes`, looked through for one of this owner and type.
std::optional<Bytes> find_note(Bytes bytes, std::string_view owner, uint32_t type) {
  uint64_t at = 0;
  while (const auto header = load<Elf64_Nhdr>(bytes, at)) {
    const uint64_t name_at = at + sizeof(Elf64_Nhdr);
    const uint64_t data_at = name_at + ((header->n_namesz + 3ULL) & ~3ULL);
    const auto name = slice(bytes, name_at, header->n_namesz);
    const auto data = slice(bytes, data_at, header->n_descsz);
    if (!name || !data) return std::nullopt;
    const std::string_view text(reinterpret_cast<const char*>(name->data()), name->size());
    if (header->n_type == type && text.substr(0, text.find('\0')) == owner) return data;
    at = data_at + ((header->n_descsz + 3ULL) & ~3ULL);
  }
  return std::nullopt;
}

}  // namespace

Result<ElfFile> ElfFile::parse(Bytes file) {
  const auto header = load<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return corrupt("no ELF header");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_X86_64)
    return Error{ErrorKind::kUnsupported, "an ELF file of another machine than x86-64"};

  ElfFile elf;
  elf.x_file = file;
  elf.x_type = header->e_type;
  for (uint16_t i = 0; i < header->e_phnum; ++i) {
    const auto segment = load<Elf64_Phdr>(file, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return corrupt("program headers end early");
    elf.x_segments.push_back(segment_of(*segment));
  }

  const auto first = load<Elf64_Shdr>(file, header->e_shoff);
  if (header->e_shoff == 0 || !first) return elf;  // section headers are optional at run time
  const uint64_t count = header->e_shnum != 0 ? header->e_shnum : first->sh_size;
  const uint64_t names_at = header->e_shstrndx != SHN_XINDEX ? header->e_shstrndx : first->sh_link;
  const auto headers =
      slice(file, header->e_shoff, std::min<uint64_t>(count, 1 << 20) * sizeof(Elf64_Shdr));
  if (!headers) return elf;
  const auto names_header = load<Elf64_Shdr>(*headers, names_at * sizeof(Elf64_Shdr));
  const auto names =
      names_header ? slice(file, names_header->sh_offset, names_header->sh_size) : std::nullopt;
  for (uint64_t at = 0; at < headers->size(); at += sizeof(Elf64_Shdr)) {
    const auto section = load<Elf64_Shdr>(*headers, at);
    const auto name = names ? text_at(*names, section->sh_name, 4096) : std::nullopt;
    elf.x_sections.push_back({name.value_or(std::string_view()), section->sh_type, section->sh_link,
                              section->sh_flags, section->sh_addr, section->sh_offset,
                              section->sh_size, section->sh_entsize});
  }
  return elf;
}

const ElfSection* ElfFile::section(std::string_view name) const {
  const auto found = std::find_if(x_sections.begin(), x_sections.end(),
                                  [&](const ElfSection& s) { return s.name == name; });
  return found == x_sections.end() ? nullptr : &*found;
}

std::optional<Bytes> ElfFile::contents(const ElfSection& section) const {
  if (section.type == SHT_NOBITS || section.size > kSectionCap) return std::nullopt;
  return slice(x_file, section.offset, section.size);
}

std::optional<Bytes> ElfFile::contents(std::string_view name) const {
  const ElfSection* found = section(name);
  return found == nullptr ? std::nullopt : contents(*found);
}

std::optional<Bytes> ElfFile::at_address(uint64_t address) const {
  for (const ElfSegment& segment : x_segments) {
    if (segment.type != PT_LOAD || address < segment.address) continue;
    const uint64_t inside = address - segment.address;
    if (inside >= segment.file_size) continue;
    const auto bytes = slice(x_file, segment.offset, segment.file_size);
    if (bytes) return bytes->subspan(inside);
  }
  return std::nullopt;
}

std::optional<Bytes> ElfFile::note(std::string_view owner, uint32_t type) const {
  for (const ElfSegment& segment : x_segments) {
    if (segment.type != PT_NOTE) continue;
    const auto bytes = slice(x_file, segment.offset, segment.file_size);
    const auto found = bytes ? find_note(*bytes, owner, type) : std::nullopt;
    if (found) return found;
  }
  for (const ElfSection& section : x_sections) {
    if (section.type != SHT_NOTE) continue;
    const auto bytes = contents(section);
    const auto found = bytes ? find_note(*bytes, owner, type) : std::nullopt;
    if (found) return found;
  }
  return std::nullopt;
}

std::string ElfFile::build_id() const {
  constexpr uint32_t kGoBuildId = 4;
  if (const auto id = note("GNU", NT_GNU_BUILD_ID); id && id->size() <= 64) return hex(*id);
  if (const auto id = note("Go", kGoBuildId); id && id->size() <= 256) return hex(*id);
  return {};
}

std::optional<std::pair<uint64_t, uint64_t>> ElfFile::code_range() const {
  std::optional<std::pair<uint64_t, uint64_t>> range;
  for (const ElfSegment& segment : x_segments) {
    if (segment.type != PT_LOAD || !segment.executable()) continue;
    if (segment.memory_size > UINT64_MAX - segment.address) continue;
    const uint64_t start = segment.address & ~(kPage - 1);
    const uint64_t end = segment.address + segment.memory_size;
    if (!range) range.emplace(start, end);
    range->first = std::min(range->first, start);
    range->second = std::max(range->second, end);
  }
  return range;
}

std::vector<ElfSymbol> ElfFile::functions(std::string_view table) const {
  std::vector<ElfSymbol> found;
  const ElfSection* symbols = section(table);
  if (symbols == nullptr || symbols->link >= x_sections.size()) return found;
  const auto entries = contents(*symbols);
  const auto names = contents(x_sections[symbols->link]);
  if (!entries || !names) return found;
  for (uint64_t at = 0; found.size() < kSymbolCap; at += sizeof(Elf64_Sym)) {
    const auto symbol = load<Elf64_Sym>(*entries, at);
    if (!symbol) break;
    const unsigned type = ELF64_ST_TYPE(symbol->st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) ||
        symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS || symbol->st_value == 0)
      continue;
    const auto name = text_at(*names, symbol->st_name);
    if (!name || name->empty()) continue;
    found.push_back(
        {symbol->st_value, symbol->st_size, *name, ELF64_ST_BIND(symbol->st_info) != STB_LOCAL});
  }
  return found;
}

std::optional<uint64_t> ElfFile::symbol(std::string_view name) const {
  const ElfSection* symbols = section(".symtab");
  if (symbols == nullptr || symbols->link >= x_sections.size()) return std::nullopt;
  const auto entries = contents(*symbols);
  const auto names = contents(x_sections[symbols->link]);
  if (!entries || !names) return std::nullopt;
  for (uint64_t at = 0;; at += sizeof(Elf64_Sym)) {
    const auto symbol = load<Elf64_Sym>(*entries, at);
    if (!symbol) return std::nullopt;
    const auto text = slice(*names, symbol->st_name, name.size() + 1);
    if (text && std::memcmp(text->data(), name.data(), name.size()) == 0 &&
        (*text)[name.size()] == std::byte{0})
      return symbol->st_value;
  }
}

}  // namespace unclosed
