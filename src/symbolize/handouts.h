// The table of hand-out functions: library functions that give a connection to their caller, or
// take it back, in libraries that dial and send from goroutines of their own, so that no stack of
// connect or write holds the caller's line. A call of one tells who has the connection now. What a
// binary does not contain is no entry; what it contains but cannot be probed is one, with the
// reason. Pure; any thread.
//
// How to add one
// 1. A line in kTable (handouts.cc): the function, the releases for which its receiver's layout was
//    looked up, the offsets to the descriptor, the functions that dial or send by themselves, and
//    why a probe is needed, in words for the coverage. A layout that moved is one more line.
// 2. The oldest and the newest release of each range in handouts_root_test.cc, which asks their
// DWARF.
// 3. A service with its twin in victims/ that leaks through it.
#pragma once

#include <vector>

#include "model/code.h"
#include "symbolize/elf_file.h"
#include "symbolize/go_binary.h"

namespace unclosed {

std::vector<Handout> find_handouts(const GoBinary& binary, const ElfFile& elf);

}  // namespace unclosed
