// For the tests of this folder: targets of whose code nothing is known. Any thread.
#pragma once

#include "model/code.h"

namespace unclosed {

// Knows no code at all: stacks are walked by frame pointers, frames have no module.
class NoCode final : public CodeSource {
 public:
  Result<ModuleId> open_module(const ProcessId&, const Mapping&) override {
    return Error{ErrorKind::kUnsupported, "no code", {}};
  }
  const ModuleCode& code(ModuleId) override { return x_code; }
  std::optional<uint64_t> bias(ModuleId, const Mapping&) override { return std::nullopt; }
  std::optional<UnwindRow> go_row(ModuleId, ElfAddr) override { return std::nullopt; }
  std::optional<ElfAddr> symbol(ModuleId, std::string_view) override { return std::nullopt; }
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> go_functions(
      ModuleId, std::span<const std::string_view> names) override {
    return std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>>(names.size());
  }

 private:
  ModuleCode x_code;
};

}  // namespace unclosed
