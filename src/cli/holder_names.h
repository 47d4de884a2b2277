// HolderNamesOf: names variables and code of a Go process's own binary, for whoever tells who holds
// a descriptor. One thread at a time.
#pragma once

#include <optional>

#include "collect/golang/holders.h"
#include "symbolize/go_variables.h"
#include "symbolize/symbolizer.h"

namespace unclosed {

class HolderNamesOf : public HolderNames {
 public:
  // All must outlive it.
  HolderNamesOf(const GoProcess& process, ModuleStore& modules, Symbolizer& symbolizer);

  std::optional<GoVariable> variable_at(ElfAddr address) override;
  std::vector<NamedFrame> frames_at(ElfAddr pc) override;
  std::optional<GoFrameMap> frame_map(ElfAddr pc) override;
  std::optional<std::string> release_of(std::string_view module) override;

 private:
  ModuleId x_module;
  const Module* x_binary;
  Symbolizer& x_symbolizer;
  std::optional<GoVariables> x_variables;
};

}  // namespace unclosed
