// Putting a program at the entry of a function of one process, in the way that this kernel has.
// Never on return: that crashes Go programs. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace unclosed {

// kMulti: Linux 6.6 and later, with CAP_BPF and CAP_PERFMON. kPerfEvent: before it, from 5.15 on.
enum class EntryProbes { kMulti, kPerfEvent };

// BPF_TRACE_UPROBE_MULTI, which libbpf before 1.3 does not know.
inline constexpr uint32_t kTraceUprobeMulti = 48;

struct EntryProbeAt {
  std::string path;  // under which the kernel finds the file
  uint64_t offset = 0;
  uint32_t cookie = 0;
  uint32_t tgid = 0;
};

// The probe goes with the answer. kUnsupported: this kernel has no such probes.
Result<Fd> attach_entry_probe(int program, const EntryProbeAt& where, EntryProbes how);

}  // namespace unclosed
