#include "symbolize/runtime_of.h"

#include <array>
#include <string_view>

namespace unclosed {
namespace {

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view digits_and_dots(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789.");
  std::string_view version = text.substr(0, end);
  while (version.ends_with('.')) version.remove_suffix(1);
  return version;
}

// "python3.11" for "python3.11", "libpython3.11.so.1.0"; "" for anything else.
std::string python(std::string_view name) {
  if (name.starts_with("lib")) name.remove_prefix(3);
  if (!name.starts_with("python")) return {};
  return "python" + std::string(digits_and_dots(name.substr(6)));
}

std::string by_program(std::string_view name) {
  if (std::string found = python(name); !found.empty()) return found;
  for (const std::string_view known :
       {"node", "java", "ruby", "php", "perl", "dotnet", "deno", "bun"}) {
    if (!name.starts_with(known)) continue;
    const std::string_view rest = name.substr(known.size());
    if (rest.empty() || (rest[0] >= '0' && rest[0] <= '9') || rest[0] == '-')
      return std::string(known);
  }
  return name == "nodejs" ? "node" : "";
}

std::string by_library(std::string_view name) {
  if (name.starts_with("libpython")) return python(name);
  struct Known {
    std::string_view library, runtime;
  };
  static constexpr std::array<Known, 6> kKnown = {{{"libjvm.so", "java"},
                                                   {"libnode.so", "node"},
                                                   {"libruby", "ruby"},
                                                   {"libperl.so", "perl"},
                                                   {"libcoreclr.so", "dotnet"},
                                                   {"libphp", "php"}}};
  for (const Known& known : kKnown)
    if (name.starts_with(known.library)) return std::string(known.runtime);
  return {};
}

}  // namespace

std::string runtime_of(const std::string& exe, const std::vector<Mapping>& mappings,
                       const Module* module) {
  if (module != nullptr && module->go) {
    const std::string& version = module->go->build().version;
    return version.empty() ? "go" : version;
  }
  if (std::string found = by_program(file_name(exe)); !found.empty()) return found;
  for (const Mapping& mapping : mappings)
    if (std::string found = by_library(file_name(mapping.path)); !found.empty()) return found;
  return "native";
}

std::string runtime_of(const ProcessId& process, const std::string& exe,
                       const std::vector<Mapping>& mappings, ModuleStore& modules) {
  for (const Mapping& mapping : mappings) {
    if (!mapping.executable || mapping.path != exe) continue;
    const auto id = modules.open_module(process, mapping);
    return runtime_of(exe, mappings, id ? modules.find(*id) : nullptr);
  }
  return runtime_of(exe, mappings, nullptr);
}

}  // namespace unclosed
