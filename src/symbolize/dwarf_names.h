// DwarfNames: functions, inlined calls and lines of one binary from its DWARF, through libdw. Units
// are read when an address in them is asked for, and kept. It names split DWARF (.dwo) and units
// that libdw cannot read by nothing: the caller falls back to symbols. The bytes must outlive it.
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "symbolize/own_rules.h"

namespace unclosed {

// One call at a pc, innermost first.
struct DwarfFrame {
  // The same call as the instruction's own row has it, where that one lies in the function's own
  // file and is not the one of `file` and `line`; else empty.
  std::string home_file;
  uint32_t home_line = 0;
  std::string function;
  std::string file;
  uint32_t line = 0;
  bool inlined = false;  // into the next frame
  Language language = Language::kC;
};

class DwarfNames {
 public:
  // null: the file has no DWARF that libdw reads.
  static std::unique_ptr<DwarfNames> open(Bytes file);
  ~DwarfNames();
  DwarfNames(const DwarfNames&) = delete;
  DwarfNames& operator=(const DwarfNames&) = delete;

  // The calls at `address`; empty: no function of the DWARF covers it.
  std::vector<DwarfFrame> frames_at(uint64_t address);

 private:
  struct State;
  explicit DwarfNames(std::unique_ptr<State> state);
  std::unique_ptr<State> x_state;
};

}  // namespace unclosed
