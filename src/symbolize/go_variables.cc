#include "symbolize/go_variables.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <libelf.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "symbolize/go_build_info.h"

namespace unclosed {
namespace {

constexpr size_t kSymbolCap = 4'000'000, kUnitCap = 1'000'000, kDieCap = 4'000'000;

std::string_view text_of(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  const char* text = dwarf_formstring(dwarf_attr(die, name, &attribute));
  return text == nullptr ? std::string_view() : std::string_view(text);
}

}  // namespace

struct GoVariables::Debug {
  Elf* elf = nullptr;
  Dwarf* dwarf = nullptr;
  std::unordered_map<std::string, Dwarf_Die> units;  // by package
  ~Debug() {
    if (dwarf != nullptr) dwarf_end(dwarf);
    if (elf != nullptr) elf_end(elf);
  }
};

GoVariables::GoVariables(const ElfFile& elf) : x_file(elf.file()) {
  const ElfSection* symbols = elf.section(".symtab");
  if (symbols == nullptr || symbols->link >= elf.sections().size()) return;
  const auto entries = elf.contents(*symbols);
  const auto names = elf.contents(elf.sections()[symbols->link]);
  if (!entries || !names) return;
  for (uint64_t at = 0; x_variables.size() < kSymbolCap; at += sizeof(Elf64_Sym)) {
    const auto symbol = load<Elf64_Sym>(*entries, at);
    if (!symbol) break;
    // Without a size: marks of the linker, such as runtime.bss.
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_value == 0 ||
        symbol->st_size == 0)
      continue;
    const auto name = text_at(*names, symbol->st_name);
    if (name && !name->empty()) x_variables.push_back({symbol->st_value, symbol->st_size, *name});
  }
  std::sort(x_variables.begin(), x_variables.end(),
            [](const Variable& a, const Variable& b) { return a.address < b.address; });
}

GoVariables::~GoVariables() = default;
GoVariables::GoVariables(GoVariables&&) noexcept = default;
GoVariables& GoVariables::operator=(GoVariables&&) noexcept = default;

std::optional<GoVariables::Variable> GoVariables::at(uint64_t address) const {
  const auto after =
      std::upper_bound(x_variables.begin(), x_variables.end(), address,
                       [](uint64_t value, const Variable& one) { return value < one.address; });
  if (after == x_variables.begin()) return std::nullopt;
  const Variable& found = *std::prev(after);
  return address - found.address < found.size ? std::optional(found) : std::nullopt;
}

std::optional<std::string> GoVariables::type_of(const Variable& variable) {
  if (!x_looked) {
    x_looked = true;
    x_debug = std::make_unique<Debug>();
    elf_version(EV_CURRENT);
    // libelf reads it only, whatever its signature says.
    auto* bytes = const_cast<char*>(reinterpret_cast<const char*>(x_file.data()));
    x_debug->elf = elf_memory(bytes, x_file.size());
    if (x_debug->elf != nullptr)
      x_debug->dwarf = dwarf_begin_elf(x_debug->elf, DWARF_C_READ, nullptr);
    Dwarf_Off offset = 0, next = 0;
    size_t header = 0;
    for (size_t i = 0;
         x_debug->dwarf != nullptr && i < kUnitCap &&
         dwarf_nextcu(x_debug->dwarf, offset, &next, &header, nullptr, nullptr, nullptr) == 0;
         ++i, offset = next) {
      Dwarf_Die die;
      if (dwarf_offdie(x_debug->dwarf, offset + header, &die) != nullptr)
        x_debug->units.emplace(std::string(text_of(&die, DW_AT_name)), die);
    }
  }
  const auto unit = x_debug->units.find(std::string(go_package(variable.name)));
  if (unit == x_debug->units.end()) return std::nullopt;
  Dwarf_Die child;
  if (dwarf_child(&unit->second, &child) != 0) return std::nullopt;
  for (size_t i = 0; i < kDieCap; ++i) {
    if (dwarf_tag(&child) == DW_TAG_variable && text_of(&child, DW_AT_name) == variable.name) {
      Dwarf_Attribute attribute;
      Dwarf_Die type;
      if (dwarf_formref_die(dwarf_attr(&child, DW_AT_type, &attribute), &type) == nullptr)
        return std::nullopt;
      return std::string(text_of(&type, DW_AT_name));
    }
    if (dwarf_siblingof(&child, &child) != 0) break;
  }
  return std::nullopt;
}

}  // namespace unclosed
