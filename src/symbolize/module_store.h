// ModuleStore: the binaries behind the mappings of processes, each opened once and kept mapped, so
// that an exited process can still be named. Opened through the process (map_files, its exe, its
// own root), and only when device and inode are those of the mapping: a replaced file is never
// taken for the one that runs. It cannot know code that no file holds (JIT, vdso). One thread at a
// time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "model/code.h"
#include "symbolize/elf_file.h"
#include "symbolize/go_binary.h"
#include "symbolize/mapped_file.h"

namespace unclosed {

// One binary. Its address is stable for the life of the store.
struct Module {
  std::string path;  // as the process names it
  std::string name;  // file name
  MappedFile mapped;
  ElfFile elf;
  std::string build_id;
  std::optional<GoBinary> go;
  bool executable = false;         // some process was started from it, not only loaded it
  MappedFile debug;                // separate debug file; empty: none
  std::vector<std::string> notes;  // what was not found or not understood, in words
  std::optional<ModuleCode> code;
};

class ModuleStore : public CodeSource {
 public:
  explicit ModuleStore(std::string proc_root = "/proc") : x_proc(std::move(proc_root)) {}

  Result<ModuleId> open_module(const ProcessId& process, const Mapping& mapping) override;
  const ModuleCode& code(ModuleId module) override;
  std::optional<uint64_t> bias(ModuleId module, const Mapping& mapping) override;
  std::optional<UnwindRow> go_row(ModuleId module, ElfAddr pc) override;
  std::optional<ElfAddr> symbol(ModuleId module, std::string_view name) override;
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> go_functions(
      ModuleId module, std::span<const std::string_view> names) override;

  // A file outside of any process, e.g. of a recording that is read elsewhere.
  Result<ModuleId> open_file(const std::string& path);

  // null: no module has this id.
  Module* find(ModuleId id) { return id < x_modules.size() ? x_modules[id].get() : nullptr; }
  size_t size() const { return x_modules.size(); }
  // What could not be read of a module, in words for the coverage line.
  const std::vector<std::string>& notes(ModuleId id) const { return x_modules.at(id)->notes; }

 private:
  // device, inode, size, mtime in ns, build id
  using Key = std::tuple<uint64_t, uint64_t, uint64_t, int64_t, std::string>;
  Result<Fd> open_mapped(const ProcessId& process, const Mapping& mapping) const;
  Result<ModuleId> add(const Fd& fd, const std::string& path, const std::string& root);

  std::string x_proc;
  std::vector<std::unique_ptr<Module>> x_modules;
  std::map<Key, ModuleId> x_by_key;
};

}  // namespace unclosed
