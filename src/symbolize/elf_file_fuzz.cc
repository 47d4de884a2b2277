// The headers, and all that is read through them but libdw: Go's tables, notes, symbols, rows.
#include <cstdint>

#include "symbolize/elf_file.h"
#include "symbolize/go_binary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unclosed::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto elf = unclosed::ElfFile::parse(bytes);
  if (!elf) return 0;
  static_cast<void>(elf->build_id());
  static_cast<void>(elf->code_range());
  static_cast<void>(elf->functions(".symtab"));
  static_cast<void>(elf->functions(".dynsym"));
  static_cast<void>(elf->symbol("runtime.tlsg"));
  std::vector<std::string> notes;
  const auto go = unclosed::GoBinary::open(*elf, notes);
  if (!go) return 0;
  static_cast<void>(go->layout(*elf, notes));
  static_cast<void>(go->frames_at(go->text() + 16, ""));
  return 0;
}
