// GoProcess: a running Go process, opened for reading from its memory alone: where its module lies,
// which release built it, and where the runtime keeps its goroutines, found by symbol, by the code
// that uses it, or by content, and checked before anything is believed. Works on stripped,
// position-independent and dynamic binaries of Go 1.18 to 1.26; not on other releases, and on
// builds whose experiments moved fields it refuses. Nothing is stopped or written. One thread at a
// time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collect/golang/remote_memory.h"
#include "collect/procfs/procfs.h"
#include "model/code.h"

namespace unclosed {

struct AddressRange {
  uint64_t start = 0, end = 0;
  uint64_t size() const { return end - start; }
  bool holds(uint64_t address) const { return address >= start && address < end; }
};

// The header of a slice, as Go lays it out.
struct GoSlice {
  uint64_t data = 0, length = 0, capacity = 0;
};

class GoProcess {
 public:
  // Where the package variables lie, as the process has them in memory.
  struct Variables {
    AddressRange noptrdata, data, bss, noptrbss;
    // Those that may hold pointers come first.
    std::array<AddressRange, 4> all() const { return {data, bss, noptrdata, noptrbss}; }
  };

  // `code` must outlive it. kDenied: its memory may not be read. kUnsupported: no Go process, a
  // release that is not known, or one whose structures are not where its release has them. kGone.
  static Result<GoProcess> open(const ProcessId& process, CodeSource& code, ProcFs proc = ProcFs());
  // The same of memory that is open already.
  static Result<GoProcess> open(RemoteMemory memory, CodeSource& code, ProcFs proc = ProcFs());

  const ProcessId& process() const { return x_memory.process(); }
  RemoteMemory& memory() { return x_memory; }
  CodeSource& code() const { return *x_code; }
  const ProcFs& proc() const { return x_proc; }
  ModuleId module() const { return x_module; }
  const std::string& version() const { return x_version; }  // "go1.26.8"
  const GoRuntimeLayout& layout() const { return x_layout; }

  // Addresses of the process and of the file.
  uint64_t to_process(ElfAddr address) const { return address.value + x_bias; }
  ElfAddr to_file(uint64_t address) const { return {address - x_bias}; }
  AddressRange text() const { return x_text; }
  const Variables& variables() const { return x_variables; }
  // Types, as the runtime describes them, and the constants beside them.
  AddressRange types() const { return x_types; }
  // The linker's lists of types (offsets into types()) and of the tables of methods that interface
  // values begin with (addresses); empty where they cannot be read.
  std::vector<int32_t> type_links();
  std::vector<uint64_t> method_tables();
  // Where a variable of this name lies; nullopt: none, or the binary is stripped.
  std::optional<uint64_t> symbol(std::string_view name) const;
  // Where the code of Go functions lies, stripped or not; nullopt for those that it has not.
  std::vector<std::optional<AddressRange>> functions(std::span<const std::string_view> names) const;

  // The slice of all goroutines (runtime.allgs).
  uint64_t all_goroutines() const { return x_all; }
  // The runtime's own words for what a goroutine waits for; "" for a number that it has not.
  std::string_view wait_reason(uint8_t number) const {
    return number < x_reasons.size() ? std::string_view(x_reasons[number]) : std::string_view();
  }
  // What could not be found or read, in sentences.
  const std::vector<std::string>& notes() const { return x_notes; }
  // kGone when the number belongs to another process by now: what was read last may be of that.
  Status still_there() const;

 private:
  GoProcess(RemoteMemory memory, CodeSource& code, ProcFs proc)
      : x_memory(std::move(memory)), x_code(&code), x_proc(std::move(proc)) {}
  Status find_module();
  Status take_module(ModuleId module, uint64_t bias, const GoLayout& layout);
  Status read_module_data(uint64_t address);
  Status find_all_goroutines(const GoLayout& layout);
  Status check(uint64_t all);
  void read_wait_reasons();
  template <class T>
  std::vector<T> module_list(uint32_t offset);

  RemoteMemory x_memory;
  CodeSource* x_code;
  ProcFs x_proc;
  ModuleId x_module = kNoModule;
  uint64_t x_bias = 0;
  std::string x_version;
  GoRuntimeLayout x_layout;
  AddressRange x_text, x_types;
  Variables x_variables;
  uint64_t x_all = 0, x_module_data = 0;
  std::vector<std::string> x_reasons, x_notes;
};

}  // namespace unclosed
