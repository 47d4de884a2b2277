#include "cli/holder_names.h"

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

}  // namespace unclosed
