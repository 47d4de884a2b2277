// What /proc tells of processes: identity, command, limits, descriptors, mappings, children. Read
// fresh at each call. It cannot know what happened between two calls; a process or descriptor that
// went in between is kGone, and one that we may not see is kDenied, never absent. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/code.h"
#include "model/connection.h"
#include "model/limit.h"
#include "model/process.h"

namespace unclosed {

// What anybody may know of a process, for lists of candidates. Secrets are cut from `command`. All
// text is as the process wrote it: it may hold any byte, and is made printable where it is shown.
struct ProcessSummary {
  ProcessId id;
  pid_t parent = 0;
  std::string comm;                  // the kernel's short name, at most 15 bytes
  std::string exe;                   // "" when we may not look, or for a kernel thread
  std::vector<std::string> command;  // empty for a kernel thread
  uid_t uid = 0;
};

class ProcFs {
 public:
  explicit ProcFs(std::string root = "/proc") : x_root(std::move(root)) {}

  // Pid and start time of whoever has the number now.
  Result<ProcessId> identify(pid_t pid) const;
  // The process that a thread belongs to; the pid itself for a process.
  Result<pid_t> leader_of(pid_t thread) const;
  // The kernel's short name of any thread, at most 15 bytes, any but a line's end.
  Result<std::string> thread_name(pid_t thread) const;
  Result<ProcessSummary> summary(pid_t pid) const;
  // When a process of this start time began.
  Instant started(const ProcessId& process) const;
  // True while the process with exactly this start time exists and one of its threads runs.
  bool alive(const ProcessId& process) const;
  // True when it is gone, or its first thread is on its way out: /proc/PID/fd shows nothing then.
  bool first_thread_ending(const ProcessId& process) const;
  // True when it is gone, or all its threads are on their way out: its descriptors go without
  // calls.
  bool ending(const ProcessId& process) const;
  // Everything shown of a process; secrets (passwords in DSNs and flags, tokens) are cut from the
  // command. `runtime` is left empty: it is read from the binary.
  Result<ProcessInfo> info(const ProcessId& process) const;
  Result<std::vector<Mapping>> mappings(const ProcessId& process) const;
  // Soft RLIMIT_NOFILE and the number of descriptors in use.
  Result<LimitUse> nofile(const ProcessId& process) const;
  // Open files of the whole machine, and how many it takes; nullopt: not told.
  std::optional<LimitUse> open_files() const;
  // The local ports that outgoing connections take, in our own network namespace.
  std::optional<std::pair<uint16_t, uint16_t>> port_range() const;
  // The numbers in the process's table, ascending.
  Result<std::vector<int>> descriptors(const ProcessId& process) const;
  // What the descriptor's link says, e.g. "socket:[123]" or a path. kGone: closed in between.
  Result<std::string> link(const ProcessId& process, int fd) const;
  // Whether two numbers refer to one open file, as after a fork; nullopt: the kernel does not tell
  // us, or one is closed.
  std::optional<bool> same_file(const Descriptor& one, const Descriptor& other) const;
  // What /proc/PID/task/TID/syscall says: number and arguments, or "running".
  Result<std::string> system_call(const ProcessId& process, pid_t thread) const;
  // All processes that can be listed.
  Result<std::vector<ProcessId>> all() const;
  // What /proc/PID/cgroup says: a line for each hierarchy, "0::/system.slice/nginx.service".
  Result<std::string> control_groups(const ProcessId& process) const;
  // Direct children, oldest first. One that is born or dies meanwhile may be missing.
  Result<std::vector<ProcessId>> children(const ProcessId& process) const;
  // Inodes of the sockets among its descriptors, ascending, each once.
  Result<std::vector<uint64_t>> socket_inodes(const ProcessId& process) const;
  // The path through which files of the process's own root can be opened, e.g. "/proc/42/root".
  std::string root_of(const ProcessId& process) const;

 private:
  std::string x_root;
};

}  // namespace unclosed
