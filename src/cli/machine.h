// What this machine lets us do: facts that are gathered, and what they mean. weigh_machine() is
// pure; gather_machine() loads the kernel side for a moment, and leaves nothing behind.
//
// To add a check: 1. the fact in MachineFacts, 2. its reading in machine_facts.cc, 3. what it means
// in machine.cc, 4. its line in the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unclosed {

enum class Standing : uint8_t { kOk, kLimited, kMissing };
std::string_view to_string(Standing standing);  // ok, limited, missing

struct MachineCheck {
  std::string name;
  Standing standing = Standing::kOk;
  std::string found;   // what is there
  std::string why;     // what it is for
  std::string remedy;  // the command that mends it; "" where nothing is to mend
};

// What was tried, and how it ended; `error` is empty when it worked.
struct Trial {
  std::string error;
  std::string id;  // of the error catalogue
  bool denied = false;
  bool worked() const { return error.empty(); }
};

enum class TraceFs : uint8_t { kThere, kUnreadable, kNotMounted };

struct MachineFacts {
  std::string release;
  uint32_t uid = 0;
  bool x86_64 = true;
  bool types = false;               // /sys/kernel/btf/vmlinux can be read
  uint64_t capabilities = 0;        // effective ones, a bit each
  bool own_user_namespace = false;  // of a container: capabilities hold inside it only
  TraceFs tracefs = TraceFs::kNotMounted;
  bool syscall_tracepoints = false;
  std::optional<uint64_t> locked_memory;  // soft RLIMIT_MEMLOCK in bytes; nullopt: unlimited
  std::optional<int> perf_event_paranoid, ptrace_scope, unprivileged_bpf_disabled;
  bool uprobe_multi = false, socket_tracepoints = false, user_notification = false;
  int listener_refused = 0;  // errno of a filter with a listener, on a child of ours
  std::vector<std::string> sock_diag_notes;  // what the kernel's lists of sockets did not answer
  bool others_readable = false;              // descriptors of processes of other users
  bool debuginfod_urls = false, debuginfod_library = false;
  Trial hooks;  // every hook of the collector, proven on ourselves
  std::vector<std::string> missing_hooks;
  Trial listing;  // the iterator of `ls`
};

MachineFacts gather_machine();
std::vector<MachineCheck> weigh_machine(const MachineFacts& facts);

struct RungState {
  std::string rung;
  bool works = false;
  std::string what;  // what it is good for, or why it does not work
};
std::vector<RungState> rungs_of(const MachineFacts& facts);

}  // namespace unclosed
