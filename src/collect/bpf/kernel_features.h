// What the running kernel can, asked of its own types; never of its version. Any thread.
#pragma once

#include <string>

namespace unclosed {

// A raw tracepoint that a program can be attached to with types.
bool has_tracepoint(const std::string& name);
// Pointers that a program may be given a type for, and read by plain loads (bpf_rdonly_cast).
bool has_typed_reads();
// Entry probes in many processes that need CAP_BPF and CAP_PERFMON alone.
bool has_uprobe_multi();

}  // namespace unclosed
