// Turns .eh_frame into rows that a walker can search by pc, without keeping the DWARF programs.
//
// Each FDE's program is run once; what a row cannot say becomes kExpression, never a guess: with
// the number of its expression, or with none (registers other than rsp and rbp as base). Rejected:
// keeping the programs (a kernel-side walker cannot run them), and one row an instruction (four
// times the rows). Hostile bytes give fewer rows, never a fault. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "model/code.h"

namespace unclosed {

struct EhFrame {
  Bytes bytes;
  uint64_t address = 0;       // p_vaddr of the first byte
  bool ends_at_zero = false;  // found without its section: the first empty record ends it
};

// The rows of all FDEs that lie in [base, base+size), sorted by pc, one row where nothing changes,
// kEnd in the holes between functions. Where FDEs overlap the one that starts first wins.
// `expressions`: those that rows of kExpression refer to are added to it.
std::vector<UnwindRow> unwind_rows(const EhFrame& frame, uint64_t base, uint64_t size,
                                   std::vector<std::vector<uint8_t>>& expressions);

}  // namespace unclosed
