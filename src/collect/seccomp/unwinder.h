// Walks copied stacks of which only pc and sp are known: Go by its tables of frame sizes, native
// code by unwind rows. A caller's rbp becomes known where an inner frame saved it; code that keeps
// its frame in rbp is stepped without it where its prologue tells the size of the frame and the
// saved words on the stack bear that out. What can be neither ends the walk, marked. One thread at
// a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collect/procfs/procfs.h"
#include "collect/seccomp/call.h"
#include "collect/seccomp/goroutines.h"
#include "collect/unwind/step.h"
#include "model/code.h"
#include "model/stack.h"

namespace unclosed {

class Unwinder {
 public:
  Unwinder(CodeSource& code, ProcFs proc) : x_code(code), x_proc(std::move(proc)) {}

  struct Walked {
    RawStack stack;
    StackId id = kNoStack;  // the same frames have the same id for the life of a recording
  };
  // Of a process whose mappings could never be read: one frame without a module. Valid until the
  // next walk.
  const Walked& walk(const ProcessId& process, const StackCopy& copy);
  // Reads the mappings of the process anew at its next stack: it has called exec.
  void forget(const ProcessId& process) { x_spaces.erase(process); }
  // Where a Go process keeps its goroutines, as far as its mappings were read; nullopt: not Go.
  std::optional<GoroutinePlace> goroutines(const ProcessId& process) const;

 private:
  struct Piece {
    uint64_t start = 0, end = 0, bias = 0;
    ModuleId module = kNoModule;
  };
  // A walk is a function of its pc and of the words that it read: where these are equal, the frames
  // are. Words that lead to the copied stack itself are kept, and compared, as their distance.
  struct Word {
    uint32_t offset = 0;  // from sp
    bool distance = false;
    uint64_t value = 0;
  };
  struct Remembered {
    std::vector<Word> words;
    Walked walked;
  };
  struct Space {
    std::vector<Piece> pieces;  // executable mappings, ascending
    Instant read_at;
    std::optional<GoroutinePlace> go;
    std::unordered_map<uint64_t, std::vector<Remembered>> walks;  // by pc
    size_t remembered = 0;                                        // in all of them
  };
  // How far rbp lies above sp between the prologue and the epilogue of a function; by its entry.
  using FrameSizes = std::unordered_map<uint64_t, std::optional<uint32_t>>;
  struct Walk;

  Space& space_of(const ProcessId& process, uint64_t pc);
  void read(const ProcessId& process, Space& space);
  static const Piece* piece_at(const Space& space, uint64_t pc);
  Frame frame_of(const Space& space, uint64_t pc) const;
  std::optional<Truncation> step_once(Walk& walk);
  std::optional<uint64_t> frame_pointer(const Walk& walk, const Piece& piece,
                                        const UnwindTable& table, const UnwindRow& row);
  bool is_call_before(const Walk& walk, uint64_t pc);
  RawStack walk_anew(Walk& walk);
  static const Remembered* remembered(const Space& space, const StackCopy& copy);

  CodeSource& x_code;
  ProcFs x_proc;
  std::map<ProcessId, Space> x_spaces;
  std::map<ModuleId, FrameSizes> x_sizes;
  Walked x_last;
};

}  // namespace unclosed
