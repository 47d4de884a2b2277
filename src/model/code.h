// The code of a target as the walker of stacks needs it: mappings, unwind rows, where Go keeps its
// goroutine. Bytes are read elsewhere (symbolize); a collector asks through CodeSource, so that
// neither room knows the other. Value types; any thread. A CodeSource: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/go_runtime.h"
#include "model/process.h"
#include "model/stack.h"

namespace unclosed {

// One line of /proc/PID/maps.
struct Mapping {
  uint64_t start = 0, end = 0;  // addresses in the process
  uint64_t offset = 0;          // in the file
  uint32_t device_major = 0, device_minor = 0;
  uint64_t inode = 0;
  bool executable = false, writable = false;
  std::string path;  // without " (deleted)"; "[heap]", "[vdso]", … ; "" for anonymous memory
  bool deleted = false;
};

// How to step from a frame to its caller, from `pc` up to the next row's pc. CFA is the value of
// rsp before the call. The return address is at CFA-8. 8 bytes a row; a table is searched by pc.
enum class UnwindType : uint8_t {
  kEnd = 0,         // no caller: outermost frame, or a hole between functions
  kRsp = 1,         // CFA = rsp + 8*cfa
  kRbp = 2,         // CFA = rbp + 8*cfa
  kPlt = 3,         // CFA = rsp + 8 + ((pc & 15) >= 11 ? 8 : 0): lazy-binding stubs
  kExpression = 4,  // CFA by expression number cfa-1 of the table; 0: cannot be stepped
  kFramePointer =
      5,          // CFA = rbp + 16, rbp saved at CFA-16: code that keeps frame pointers throughout
  kSignal = 6,    // the signal trampoline: registers are in the ucontext at rsp
  kRbpDeref = 7,  // CFA = *(rbp + 8*(int16)cfa): realigned stacks (DRAP); caller's rbp is at *rbp
};
inline constexpr uint16_t kOutermost = 1;  // in the cfa of a row that ends a walk
struct UnwindRow {
  uint32_t pc = 0;   // from UnwindTable::base
  uint16_t cfa = 0;  // in units of 8 bytes
  uint8_t rbp = 0;   // caller's rbp is at CFA - 8*rbp; 0: unchanged; 255: lost
  UnwindType type = UnwindType::kEnd;
  bool operator==(const UnwindRow&) const = default;
};
struct UnwindTable {
  ElfAddr base;                 // lowest executable p_vaddr, page aligned
  uint32_t size = 0;            // bytes of code that the rows speak of
  std::vector<UnwindRow> rows;  // sorted by pc, no two equal; the first may start behind `base`
  std::vector<std::vector<uint8_t>> expressions;  // DWARF, for the walker in user space
};

// Where a Go binary keeps what the kernel side reads (offsets by release, checked against DWARF
// where present).
struct GoLayout {
  std::string version;                     // "go1.26.8"
  uint32_t goid_offset = 0;                // in runtime.g
  uint32_t gopc_offset = 0;                // likewise: behind the go statement that started it
  int32_t g_tls_offset = -8;               // of the pointer to g from the thread's fs base
  std::pair<ElfAddr, ElfAddr> text;        // start and end of Go's own code
  std::optional<ElfAddr> module_data;      // runtime.moduledata; nullopt: not found
  std::optional<GoRuntimeLayout> runtime;  // nullopt: a release that is not known
  // The slice of pointers to every g, as the code that adds to it says; nullopt: not found.
  std::optional<ElfAddr> all_goroutines;
  // Code that makes system calls without a frame of its own: the return address is at *(rsp).
  std::vector<std::pair<ElfAddr, ElfAddr>> frameless;
};

// A library's function that hands a connection to its caller, or takes it back, where no stack of
// connect, write or close would name that caller: what a probe on its entry needs to know.
// kTakesBack tells where that is done, so that some calls are enough; kEnds also that it was done,
// which no traffic tells where a library sends by itself behind an answer.
enum class HandoutUse : uint8_t { kGives, kTakesBack, kEnds };
struct Handout {
  std::string function;
  HandoutUse use = HandoutUse::kGives;
  std::string why;               // for the coverage: why a probe is needed
  std::optional<ElfAddr> probe;  // a cheap instruction before the function has a frame
  std::string refused;           // why there is no such place; "" when there is
  // Functions of the library that dial or send by themselves: seen on a stack, they ask for the
  // probe.
  std::vector<std::pair<ElfAddr, ElfAddr>> askers;
  // Offsets from the receiver to the descriptor's number, pointer by pointer; tried in order.
  std::vector<std::vector<int32_t>> paths;
};

struct ModuleCode {
  std::string path;             // as the process names it
  std::string build_id;         // hex; "" when it has none
  bool frame_pointers = false;  // Go text: the walker follows rbp
  std::shared_ptr<const UnwindTable>
      table;  // null where frame_pointers hold or there is no unwind information
  std::optional<GoLayout> go;
  std::vector<Handout> handouts;
};

class CodeSource {
 public:
  virtual ~CodeSource() = default;
  // The module behind a file-backed executable mapping of `process`, opened through the process's
  // own root, and kept open so that it is still readable after the process is gone. The same file
  // gives the same id. kGone: the file was deleted or replaced and cannot be reached any more.
  // kCorrupt: not a readable ELF file.
  virtual Result<ModuleId> open_module(const ProcessId& process, const Mapping& mapping) = 0;
  // Unwind rows are made at the first call, which may take some 10 ms for a large library.
  virtual const ModuleCode& code(ModuleId module) = 0;
  // pc - bias is the ELF address of a pc in `mapping`; nullopt when no executable segment of the
  // file covers it.
  virtual std::optional<uint64_t> bias(ModuleId module, const Mapping& mapping) = 0;
  // The row of Go's own code at `pc`, from the linker's table of frame sizes: stepped by rsp alone,
  // where rbp is not known. nullopt: no Go function is there, or its size is not known.
  virtual std::optional<UnwindRow> go_row(ModuleId module, ElfAddr pc) = 0;
  // The address of an ELF symbol (of a variable, too); nullopt: none of this name, or stripped.
  virtual std::optional<ElfAddr> symbol(ModuleId module, std::string_view name) = 0;
  // Start and end of the Go functions of these names, known in stripped files as well; nullopt for
  // each that the binary has not. One search through all its functions.
  virtual std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> go_functions(
      ModuleId module, std::span<const std::string_view> names) = 0;
};

}  // namespace unclosed
