// GoBinary: one Go binary as naming and the kernel side need it: its pclntab with the text start,
// the inline trees, and where the runtime keeps what a walker reads. Found by section, else by
// magic; the module data by its content, in the file or in its relocations. Everything that is not
// there leaves a note, and takes away only what needs it. A view of the file; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/code.h"
#include "model/go_frame.h"
#include "symbolize/elf_file.h"
#include "symbolize/go_build_info.h"
#include "symbolize/go_pclntab.h"

namespace unclosed {

// One call at a pc, innermost first.
struct GoFrame {
  std::string_view function;
  std::string_view file;
  uint32_t line = 0;
  bool inlined = false;  // into the next frame
};

class GoBinary {
 public:
  // nullopt: not a Go binary, or none that can be read (`notes` says which).
  static std::optional<GoBinary> open(const ElfFile& elf, std::vector<std::string>& notes);

  const GoBuildInfo& build() const { return x_build; }
  const GoPclntab& table() const { return x_table; }
  uint64_t text() const { return x_text; }
  // Start and end of Go's own code.
  std::pair<uint64_t, uint64_t> text_range() const { return {x_text, x_text_end}; }

  // The calls at `address` (of the call itself, not behind it), wrappers left out as
  // runtime.Callers does. Empty: no Go function is there. `callee` is the frame below, for that.
  std::vector<GoFrame> frames_at(uint64_t address, std::string_view callee) const;
  // The name of the function that holds `address`, of a wrapper too; nullopt: none does.
  std::optional<std::string_view> function_at(uint64_t address) const;
  // The address of a function; nullopt: none of this name. A search through all.
  std::optional<uint64_t> function_address(std::string_view name) const;

  // How to step from `pc` by the table of frame sizes; nullopt: no Go function is there, or its
  // size is not known. Where a stack begins is an end, and so is a switch to another stack.
  std::optional<UnwindRow> row_at(ElfAddr pc) const;

  // Which words of the frame at `pc` (of the call itself, not behind it) are live pointers; nullopt:
  // the compiler does not say, as of assembly.
  std::optional<GoFrameMap> frame_map(ElfAddr pc) const;

  // Start and end of each function of these names, in their order; nullopt where there is none. One
  // search through all.
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> functions(
      std::span<const std::string_view> names) const;

  // For the walker: release, goid, TLS, syscall stubs.
  GoLayout layout(const ElfFile& elf, std::vector<std::string>& notes) const;

 private:
  struct ModuleData {
    uint64_t address = 0, text = 0, text_end = 0, inline_data = 0;
  };
  GoBinary(GoPclntab table) : x_table(table) {}
  static std::optional<ModuleData> find_module_data(const ElfFile& elf, uint64_t table_address,
                                                    const GoPclntab& table);
  std::vector<std::pair<ElfAddr, ElfAddr>> frameless_stubs(const ElfFile& elf) const;
  std::optional<ElfAddr> all_goroutines(const ElfFile& elf) const;
  int32_t tls_offset(const ElfFile& elf) const;
  bool wrapper(uint8_t id, std::string_view file) const;

  GoPclntab x_table;
  GoBuildInfo x_build;
  uint64_t x_text = 0, x_text_end = 0;
  std::optional<ElfAddr> x_module_data;
  Bytes x_inline_data;                  // go:func.*; empty: inlined calls cannot be named
  std::optional<uint8_t> x_wrapper_id;  // FuncIDWrapper of this release
};

}  // namespace unclosed
