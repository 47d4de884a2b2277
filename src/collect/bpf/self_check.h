// Proof that every hook works on this kernel: this process makes itself a target, opens, uses and
// closes one of each, and looks whether the kernel side saw it. One thread at a time.
#pragma once

#include "base/result.h"
#include "collect/bpf/kernel_side.h"

namespace unclosed {

// kSystem with UC-E007 names the first fact that was not seen.
Status self_check(KernelSide& kernel);

}  // namespace unclosed
