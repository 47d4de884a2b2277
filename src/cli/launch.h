// A child that waits before its exec, so that it can be watched from its first descriptor on.
// Made before anything else is opened: it inherits what the caller had, and nothing of ours.
// One thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "cli/session.h"
#include "collect/seccomp/filter.h"

namespace unclosed {

class Launch {
 public:
  // Forks; the child holds still until go().
  static Result<Launch> prepare(const std::vector<std::string>& command, ChildOutput output);
  // Ends a child that never went, and leaves one that did alone.
  ~Launch();
  Launch(Launch&&) noexcept = default;
  Launch& operator=(Launch&&) noexcept = default;

  // Puts the filter of the seccomp rung on the child, which takes privileges from it for good, and
  // answers its listener. Before go(); the child is then not held at its entry. kUnsupported,
  // kDenied: this kernel or a policy does not allow it, and the child is as before.
  Result<Confined> confine();

  pid_t pid() const { return x_pid; }
  // The file that the exec will take, as an absolute path; "" where none is found.
  std::string program() const;
  // Lets the child exec, holds it once more at its program's entry, when its libraries are mapped
  // and none of its own code has run, calls `mapped`, and lets it free. Where tracing is refused it
  // is not held, and `mapped` is not called. kUsage with UC-E011: the command cannot be run.
  Status go(const std::function<void()>& mapped);
  // The wait status once the child has ended; nullopt while it runs.
  std::optional<int> status();
  // Asks it to end (SIGTERM) and waits for at most `most`.
  std::optional<int> end(Duration most);

 private:
  Launch() = default;
  bool hold_at_entry();
  std::optional<int> wait_for_stop();
  pid_t x_pid = -1;
  std::string x_command;
  bool x_gone = false;  // allowed to exec
  Fd x_start, x_failure;
  std::atomic<int>* x_listener = nullptr;  // shared with the child: its number there, plus one
  std::optional<int> x_status;
};

}  // namespace unclosed
