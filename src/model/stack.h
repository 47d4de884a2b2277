// Stacks: raw as the kernel side walked them (module, address), and named as they are shown and
// judged. A raw stack is interned under an id that stays the same for the life of a recording. What
// a stack cannot know is said: `truncated` tells that and why frames are missing at its outer end;
// nothing is dropped in silence. Value types; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace unclosed {

// Identity of an interned stack; 0 is "no stack was taken".
using StackId = uint64_t;
inline constexpr StackId kNoStack = 0;

// A binary that frames lie in, by index into the table of modules of the same recording.
using ModuleId = uint32_t;
inline constexpr ModuleId kNoModule = UINT32_MAX;

// An address as the file's program headers count it (p_vaddr), not as any process maps it.
struct ElfAddr {
  uint64_t value = 0;
  auto operator<=>(const ElfAddr&) const = default;
};

// One walked frame. For all but the innermost frame the address is the return address; the call is
// before it. Without a module (`kNoModule`) the address is the process's own: generated code, or a
// mapping that was gone.
struct Frame {
  ModuleId module = kNoModule;
  ElfAddr address;
  bool operator==(const Frame&) const = default;
};

enum class Truncation : uint8_t {
  kNone,        // reached the outermost frame
  kDepth,       // more frames than the walker keeps
  kNoTable,     // a function without unwind information, or generated code
  kExpression,  // a row that needs a full DWARF expression
  kUnreadable,  // a stack page that was not in memory
  kRegister,    // a frame that needs a register which this rung does not see
};
std::string_view to_string(Truncation truncation);

struct RawStack {
  std::vector<Frame> frames;  // innermost first
  Truncation truncated = Truncation::kNone;
  // Behind the go statement that started the goroutine; kNoModule: no goroutine, or not known.
  Frame started;
  StackId started_by = kNoStack;  // the stack under which the thread was made, where that was seen
};

// One named frame; an inlined call has a frame of its own, inside the frame of its caller.
struct NamedFrame {
  std::string
      function;       // qualified name without parameters; "[unknown]+0x1a2b" when nothing is known
  std::string file;   // as the build recorded it; empty: not known
  uint32_t line = 0;  // of the call (the instruction before the return address); 0: not known
  std::string module;    // file name of the binary, or Go's package path of the module
  bool own = false;      // the user's own code
  bool inlined = false;  // inlined into the next frame
  bool operator==(const NamedFrame&) const = default;
};

struct NamedStack {
  std::vector<NamedFrame> frames;  // innermost first
  Truncation truncated = Truncation::kNone;
  std::vector<NamedFrame> started;  // who started its goroutine or thread, innermost first
  std::vector<Frame> places = {};   // what each frame was named by; empty: not known
};

// All named stacks that a judgement or a report needs, by id. An id that is missing was never taken
// or was lost.
using StackBook = std::unordered_map<StackId, NamedStack>;

}  // namespace unclosed
