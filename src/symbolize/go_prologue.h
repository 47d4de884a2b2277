// The first instructions of a Go function, as far as a probe needs them: the stack check and the
// instruction behind it at which a probe is cheap, because the kernel emulates it instead of
// single-stepping. Knows the shapes that Go's amd64 assembler makes since 1.17 and refuses
// everything else. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace unclosed {

// Offset of the `push %rbp` behind the stack check (Go 1.21 and later), else of the check's
// conditional branch (before 1.21, which repeats it when the stack grows). At either the arguments
// are still in their registers and the return address is at *(rsp). nullopt: another prologue.
std::optional<uint32_t> go_probe_offset(Bytes code);

}  // namespace unclosed
