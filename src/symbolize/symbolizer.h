// Symbolizer: names raw stacks: function, file, line of each call, inlined calls as frames of their
// own, and whether the code is the user's. Go by its own tables, the rest by DWARF (in the binary,
// a separate debug file, or debuginfod), else by ELF symbols, else "[unknown]+0x…". Each address is
// named once. It cannot name generated code ("[jit]+0x…"). One thread at a time.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "model/stack.h"
#include "symbolize/module_store.h"
#include "symbolize/own_rules.h"

namespace unclosed {

class DwarfNames;
class SymbolTable;

class Symbolizer {
 public:
  // `modules` must outlive it.
  explicit Symbolizer(ModuleStore& modules, OwnRules rules = {});
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  NamedStack name(const RawStack& stack);

  // The frames at one address: inlined calls first, the function itself last; empty for a Go
  // wrapper, which is not shown. `address` is that of the instruction itself: one less than a
  // return address. `callee`: the function of the frame below, "" for the innermost.
  std::vector<NamedFrame> name_address(ModuleId module, ElfAddr address,
                                       std::string_view callee = {});

 private:
  struct Names;  // what was read of one module
  struct KeyHash {
    size_t operator()(const std::pair<ModuleId, uint64_t>& key) const {
      return std::hash<uint64_t>()((uint64_t{key.first} << 48) ^ key.second);
    }
  };
  Names& names_of(ModuleId id, Module& module);
  std::vector<NamedFrame> look_up(ModuleId id, uint64_t address, std::string_view callee);
  void name_go(Module& module, Names& names, uint64_t address, std::string_view callee,
               std::vector<NamedFrame>& frames);
  void name_native(Module& module, Names& names, uint64_t address, std::vector<NamedFrame>& frames);

  ModuleStore& x_modules;
  OwnRules x_rules;
  std::unordered_map<ModuleId, std::unique_ptr<Names>> x_names;
  std::unordered_map<std::pair<ModuleId, uint64_t>, std::vector<NamedFrame>, KeyHash> x_cache;
};

}  // namespace unclosed
