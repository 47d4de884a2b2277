// What a person names as target, found among the running processes: pids, names, ports. It reads
// /proc and asks the kernel for sockets, and attaches to nothing. One thread at a time.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "collect/procfs/procfs.h"
#include "model/process.h"

namespace unclosed {

// The processes meant by "4242", "checkout" (the kernel's name, or the file name of the program or
// of argv[0]) or "port:5432" (who listens on it, else who has it as local port), each once. A
// parent with its children counts as one answer, the parent first.
// kUsage: several match, and the text lists them; or our own process. kGone: none matches. kDenied:
// one that we may not look into.
Result<std::vector<ProcessId>> find_targets(const std::vector<std::string>& targets,
                                            const ProcFs& proc);

}  // namespace unclosed
