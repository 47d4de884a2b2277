// Who made the further numbers of a file, as the kernel side noted them. One thread at a time.
#pragma once

#include "collect/bpf/kept_stacks.h"
#include "collect/bpf/kernel_side.h"
#include "model/record.h"

namespace unclosed {

// Adds to `seen` what is known of this number of that record's file; its stack is kept.
void add_copy(const KernelSide& kernel, KeptStacks& stacks, const uc_record& record,
              const Descriptor& place, Seen& seen);

// Where whoever opened it has it no longer: the number that is left is told by who made it, and
// what opened the file is what it was copied from.
void tell_by_copies(Seen& seen);

}  // namespace unclosed
