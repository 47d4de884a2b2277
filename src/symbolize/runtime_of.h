// What language runtime a process runs, in one word for people: "go1.26.8", "python3.11", "node",
// "java", "native". Told from the program's name, the libraries it has mapped, and Go's own note in
// the binary: cheap, and no promise. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/code.h"
#include "symbolize/module_store.h"

namespace unclosed {

// `exe`: the path of the program. `module`: the program itself if it was opened, else null.
// "native" when nothing else is recognised.
std::string runtime_of(const std::string& exe, const std::vector<Mapping>& mappings,
                       const Module* module);
// The same, opening the program's own mapping in `modules`.
std::string runtime_of(const ProcessId& process, const std::string& exe,
                       const std::vector<Mapping>& mappings, ModuleStore& modules);

}  // namespace unclosed
