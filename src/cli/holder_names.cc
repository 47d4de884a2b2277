#include "cli/holder_names.h"

#include <algorithm>

#include "symbolize/own_rules.h"
#include "symbolize/plain_name.h"

namespace unclosed {

HolderNamesOf::HolderNamesOf(const GoProcess& process, ModuleStore& modules, Symbolizer& symbolizer)
    : x_module(process.module()), x_binary(modules.find(x_module)), x_symbolizer(symbolizer) {
  if (x_binary != nullptr) x_variables.emplace(x_binary->elf);
}

std::optional<GoVariable> HolderNamesOf::variable_at(ElfAddr address) {
  const auto found = x_variables ? x_variables->at(address.value) : std::nullopt;
  if (!found) return std::nullopt;
  GoVariable variable;
  variable.name = std::string(found->name);
  variable.own = x_binary->go && own_go({found->name, "", &x_binary->go->build(), ""});
  variable.type = x_variables->type_of(*found).value_or("");
  return variable;
}

std::vector<NamedFrame> HolderNamesOf::frames_at(ElfAddr pc) {
  return x_symbolizer.name_address(x_module, pc);
}

std::optional<GoFrameMap> HolderNamesOf::frame_map(ElfAddr pc) {
  if (x_binary == nullptr || !x_binary->go) return std::nullopt;
  return x_binary->go->frame_map(pc);
}

std::optional<std::string> HolderNamesOf::release_of(std::string_view module) {
  if (x_binary == nullptr || !x_binary->go) return std::nullopt;
  const auto& modules = x_binary->go->build().dependencies;
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [&](const GoModule& one) { return one.path == module; });
  return found == modules.end() || found->local ? std::nullopt : std::optional(found->version);
}

}  // namespace unclosed
