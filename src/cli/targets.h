// What a person names as target, found among the running processes: pids, names, ports. It reads
// /proc and asks the kernel for sockets, and attaches to nothing. One thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collect/procfs/procfs.h"
#include "model/process.h"

namespace unclosed {

// The processes meant by "4242", "checkout" (the kernel's name, or the file name of the program or
// of argv[0]), "port:5432" (who listens on it, else who has it as local port), "unit:nginx" (all of
// a systemd unit) or "container:ID" (all of a container, by the start of its id), each once; the
// last two by the path of their control group. A parent with its children counts as one answer, the
// parent first. kUsage: several match, and the text lists them; or our own process. kGone: none
// matches. kDenied: one that we may not look into.
// With kAny also those that we may not look into are answered.
enum class TargetAccess { kNeeded, kAny };
Result<std::vector<ProcessId>> find_targets(const std::vector<std::string>& targets,
                                            const ProcFs& proc,
                                            TargetAccess access = TargetAccess::kNeeded);

// The processes and all their descendants as they are now, parents first.
std::vector<ProcessId> with_descendants(const std::vector<ProcessId>& processes,
                                        const ProcFs& proc);

// Whether a process whose /proc/PID/cgroup reads `membership` belongs to the unit or container:
// `target` is "unit:NAME", with or without ".service", or "container:ID", at least 6 digits of it.
bool in_control_group(std::string_view membership, std::string_view target);

}  // namespace unclosed
