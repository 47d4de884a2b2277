// GoVariables: package variables of a Go binary by address: name and size from the ELF symbols, the
// type from DWARF where the binary has it. A stripped binary has neither. The file must outlive it.
// One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "symbolize/elf_file.h"

namespace unclosed {

class GoVariables {
 public:
  struct Variable {
    uint64_t address = 0, size = 0;
    std::string_view name;  // "net/http.DefaultTransport"
  };

  explicit GoVariables(const ElfFile& elf);
  ~GoVariables();
  GoVariables(GoVariables&&) noexcept;
  GoVariables& operator=(GoVariables&&) noexcept;

  // nullopt: none holds this address.
  std::optional<Variable> at(uint64_t address) const;
  // The type of a variable as the compiler names it; nullopt: not known.
  std::optional<std::string> type_of(const Variable& variable);

 private:
  struct Debug;  // what was read of DWARF

  Bytes x_file;
  std::vector<Variable> x_variables;  // ascending by address
  std::unique_ptr<Debug> x_debug;
  bool x_looked = false;
};

}  // namespace unclosed
