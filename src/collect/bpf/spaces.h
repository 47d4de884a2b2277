// Address spaces: which code lies where in each target, and by which rows the walker steps through
// it. Processes with the same mappings (forked workers) share one space; unwinding tables are
// shared by file. What does not fit any more is counted, and its stacks end there, marked. One
// thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "collect/bpf/kernel_side.h"
#include "model/code.h"
#include "model/process.h"
#include "model/stack.h"

namespace unclosed {

class Spaces {
 public:
  Spaces(KernelSide& kernel, CodeSource& code, const KernelSideSettings& settings);

  // Makes the walker know the process's code as mapped now, and answers how to target it.
  Result<uc_target> install(const ProcessId& process, const std::vector<Mapping>& mappings);
  // The space that a target was given last; nullopt when it has none.
  std::optional<uint32_t> space_of(const ProcessId& process) const;
  void forget(const ProcessId& process);

  // The frame of an address in a space, as of the mappings installed last.
  Frame frame_of(uint32_t space, uint64_t pc) const;
  // Walks a copied stack by the same rows as the kernel side does.
  RawStack walk(uint32_t space, const uc_event_stack& copy) const;
  // Whether the stack has frames before its last that lie in no code as of the mappings installed
  // last: libraries that were loaded since.
  bool outdated(uint32_t space, const RawStack& stack) const;

  // Modules whose rows found no place.
  uint32_t modules_without_place() const { return x_without_place; }

 private:
  struct Code {
    uint64_t start = 0, end = 0, bias = 0;
    ModuleId module = kNoModule;
    bool operator==(const Code&) const = default;
  };
  struct Placement {
    uint32_t first_row = 0, rows = 0, first_block = 0, blocks = 0;
    uint64_t base = 0;  // ELF address
  };
  struct Space {
    std::vector<Code> code;
    uint32_t users = 0;
  };

  const Placement* place(ModuleId module, const UnwindTable& table);
  std::optional<uint32_t> take_space(std::vector<Code> code, const ProcessId& process);
  void fill(uc_range& range, const Code& code);
  const Code* code_at(uint32_t space, uint64_t pc) const;

  KernelSide& x_kernel;
  CodeSource& x_code;
  KernelSideSettings x_settings;
  std::vector<Space> x_spaces;
  std::map<ProcessId, uint32_t> x_space_of;
  std::unordered_map<ModuleId, std::optional<Placement>> x_placements;
  uint32_t x_rows_used = 0, x_blocks_used = 0, x_without_place = 0;
  uint32_t x_version = 0;  // of the space that was installed last
};

}  // namespace unclosed
