// SymbolTable: functions by address from ELF symbols: .symtab, .dynsym, and the small .symtab that
// Fedora's binaries carry compressed (.gnu_debugdata). Sorted at the first question. Symbols do not
// know lines. The file must outlive it. One thread at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "symbolize/elf_file.h"

namespace unclosed {

class SymbolTable {
 public:
  // `debug`: a separate debug file of the same binary, or empty.
  SymbolTable(const ElfFile& elf, Bytes debug);

  // The symbol of the function at `address`, and its plain name; nullopt: none covers it.
  std::optional<std::string_view> symbol_at(uint64_t address) const;
  std::optional<std::string> name_at(uint64_t address) const;
  // The crates that have a `main`: that of a Rust program. Reads all symbols.
  std::vector<std::string> rust_mains() const;

 private:
  void add(const ElfFile& elf);

  std::vector<std::byte> x_unpacked;  // .gnu_debugdata
  std::vector<ElfSymbol> x_symbols;   // sorted by address, no two equal
};

}  // namespace unclosed
