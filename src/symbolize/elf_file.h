// ElfFile: the parts of a 64-bit x86 ELF file that naming and unwinding need, found with checked
// reads in bytes that may be hostile. It reads headers only; contents are views into the file,
// which must outlive it. It knows nothing of compressed sections (libdw unpacks those). Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace unclosed {

struct ElfSegment {
  uint32_t type = 0, flags = 0;
  uint64_t offset = 0, address = 0, file_size = 0, memory_size = 0, align = 0;
  bool executable() const { return (flags & 1) != 0; }
};

struct ElfSection {
  std::string_view name;
  uint32_t type = 0, link = 0;
  uint64_t flags = 0, address = 0, offset = 0, size = 0, entry_size = 0;
};

// A function symbol with an address.
struct ElfSymbol {
  uint64_t address = 0, size = 0;
  std::string_view name;
  bool global = false;
};

class ElfFile {
 public:
  // kCorrupt: no ELF file, or its headers point outside of it. kUnsupported: another machine.
  static Result<ElfFile> parse(Bytes file);

  Bytes file() const { return x_file; }
  // 2: fixed addresses (ET_EXEC), 3: position independent (ET_DYN).
  uint16_t type() const { return x_type; }
  const std::vector<ElfSegment>& segments() const { return x_segments; }
  const std::vector<ElfSection>& sections() const { return x_sections; }

  // The first section of this name; null: none.
  const ElfSection* section(std::string_view name) const;
  // The bytes that the file holds for it; nullopt for .bss-like sections, damaged ones, and above
  // 512 MiB.
  std::optional<Bytes> contents(const ElfSection& section) const;
  std::optional<Bytes> contents(std::string_view name) const;
  // Bytes of the file from `address` to the end of the segment that holds it.
  std::optional<Bytes> at_address(uint64_t address) const;
  // Hex of the GNU build id, else of Go's; "" when it has neither.
  std::string build_id() const;
  // Page-aligned start and end of all executable segments; nullopt: no code.
  std::optional<std::pair<uint64_t, uint64_t>> code_range() const;
  // Function symbols of .symtab or .dynsym (`table`), unsorted, at most 4 million.
  std::vector<ElfSymbol> functions(std::string_view table) const;
  // Address of one symbol of .symtab, of any type; nullopt: no such symbol, or no table.
  std::optional<uint64_t> symbol(std::string_view name) const;

 private:
  std::optional<Bytes> note(std::string_view owner, uint32_t type) const;

  Bytes x_file;
  uint16_t x_type = 0;
  std::vector<ElfSegment> x_segments;
  std::vector<ElfSection> x_sections;
};

}  // namespace unclosed
