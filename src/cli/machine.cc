#include "cli/machine.h"

#include <errno.h>
#include <fmt/format.h>
#include <linux/capability.h>

#include <array>
#include <system_error>

namespace unclosed {
namespace {

constexpr std::string_view kSetCapabilities =
    "run it with sudo, or once: sudo setcap "
    "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep \"$(command -v unclosed)\"";

constexpr std::string_view kMountTraceFs = "sudo mount -t tracefs tracefs /sys/kernel/tracing";

struct CapabilityUse {
  int number;
  const char* name;
  const char* why;
  bool needed;
};

constexpr std::array kCapabilities = {
    CapabilityUse{CAP_BPF, "CAP_BPF", "loading programs and maps into the kernel", true},
    CapabilityUse{CAP_PERFMON, "CAP_PERFMON", "reading kernel memory and stacks there", true},
    CapabilityUse{CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
                  "descriptors and mappings of other users' processes", true},
    CapabilityUse{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
                  "reading their binaries, for the names of functions, and tracefs", true},
    CapabilityUse{CAP_SYS_ADMIN, "CAP_SYS_ADMIN",
                  "times of older sockets in another network namespace", false},
};

bool has(const MachineFacts& facts, int capability) {
  return (facts.capabilities >> capability & 1) != 0;
}

MachineCheck line(std::string name, bool good, Standing otherwise, std::string found,
                  std::string why, std::string remedy) {
  MachineCheck check{
      std::move(name), good ? Standing::kOk : otherwise, std::move(found), std::move(why), {}};
  if (!good) check.remedy = std::move(remedy);
  return check;
}

// Why calls cannot be told by a seccomp filter; empty: they can.
std::string no_notification(const MachineFacts& facts) {
  if (!facts.user_notification) return "this kernel has no user notification";
  if (facts.listener_refused == 0) return "";
  if (facts.listener_refused == EBUSY) {
    return "another program listens to our calls already (a sandbox or a debugger)";
  }
  return fmt::format("a seccomp filter with a listener is refused: {}",
                     std::generic_category().message(facts.listener_refused));
}

void add_kernel(const MachineFacts& facts, std::vector<MachineCheck>& checks) {
  checks.push_back(
      line("kernel", facts.x86_64, Standing::kMissing,
           fmt::format("Linux {}{}", facts.release, facts.x86_64 ? "" : ", not x86-64"),
           "walking stacks, which is done on x86-64", "run it on x86-64"));
  checks.push_back(line("kernel types", facts.types, Standing::kMissing,
                        facts.types ? "/sys/kernel/btf/vmlinux" : "no /sys/kernel/btf/vmlinux",
                        "fitting the programs to this kernel",
                        "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as those of the distributions "
                        "are; in a container, mount /sys"));
}

void add_capabilities(const MachineFacts& facts, std::vector<MachineCheck>& checks) {
  for (const auto& use : kCapabilities) {
    const bool there = has(facts, use.number);
    const auto otherwise = use.needed ? Standing::kMissing : Standing::kLimited;
    checks.push_back(line(use.name, there, otherwise, there ? "held" : "not held", use.why,
                          use.needed ? std::string(kSetCapabilities) : "run it with sudo"));
  }
  if (facts.own_user_namespace) {
    checks.push_back({"user namespace", Standing::kLimited, "not the machine's first one",
                      "capabilities of a container's own user namespace do not reach the kernel",
                      "run it on the host"});
  }
}

void add_tracing(const MachineFacts& facts, std::vector<MachineCheck>& checks) {
  const bool there = facts.tracefs == TraceFs::kThere;
  const bool unreadable = facts.tracefs == TraceFs::kUnreadable;
  checks.push_back(line("tracefs", there, Standing::kMissing,
                        there        ? "/sys/kernel/tracing"
                        : unreadable ? "mounted, but not readable"
                                     : "not mounted",
                        "the numbers of the system calls' tracepoints",
                        unreadable ? std::string(kSetCapabilities) : std::string(kMountTraceFs)));
  if (there) {
    checks.push_back(line("system calls", facts.syscall_tracepoints, Standing::kMissing,
                          facts.syscall_tracepoints ? "have tracepoints" : "have no tracepoints",
                          "openings and closes, with their stacks",
                          "boot a kernel with CONFIG_FTRACE_SYSCALLS=y"));
  }
  checks.push_back(line("socket tracepoints", facts.socket_tracepoints, Standing::kLimited,
                        facts.socket_tracepoints ? "there" : "not in this kernel",
                        "sends and receives at the least cost; else system calls tell of them",
                        "boot Linux 6.3 or newer"));
  checks.push_back(line("uprobe_multi", facts.uprobe_multi, Standing::kLimited,
                        facts.uprobe_multi ? "there" : "not in this kernel",
                        "naming the caller of Go's net/http, by a probe in the service",
                        "boot Linux 6.6 or newer"));
}

std::string number_or_dash(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "not in this kernel";
}

void add_settings(const MachineFacts& facts, std::vector<MachineCheck>& checks) {
  constexpr uint64_t kEnoughLocked = 64UL << 20;
  const bool enough = !facts.locked_memory || *facts.locked_memory >= kEnoughLocked;
  // Linux 5.11 and newer count maps as memory of the control group, not as locked (commit
  // d5299b67dd59 and those around it); the hooks below prove it where it matters.
  checks.push_back(line(
      "RLIMIT_MEMLOCK", enough || facts.hooks.worked() || facts.hooks.denied, Standing::kLimited,
      facts.locked_memory ? fmt::format("{} KiB", *facts.locked_memory >> 10) : "unlimited",
      "maps in kernels before 5.11; later ones ignore it", "ulimit -l unlimited"));
  // Debian's kernels know 3, over which only CAP_SYS_ADMIN passes; others take it for 2.
  const bool may_perf = has(facts, CAP_PERFMON) || facts.perf_event_paranoid.value_or(2) < 0;
  const bool above = facts.perf_event_paranoid.value_or(2) > 2 && !has(facts, CAP_SYS_ADMIN) &&
                     !facts.hooks.worked();
  checks.push_back(line("perf_event_paranoid", may_perf && !above, Standing::kLimited,
                        number_or_dash(facts.perf_event_paranoid),
                        "tracepoints; CAP_PERFMON passes over 2, CAP_SYS_ADMIN over 3",
                        may_perf ? "sudo sysctl kernel.perf_event_paranoid=2"
                                 : std::string(kSetCapabilities)));
  const bool may_bpf = has(facts, CAP_BPF);
  checks.push_back(line("unprivileged_bpf_disabled", may_bpf, Standing::kLimited,
                        number_or_dash(facts.unprivileged_bpf_disabled),
                        "programs of users without CAP_BPF, which ours are never",
                        std::string(kSetCapabilities)));
  const int scope = facts.ptrace_scope.value_or(0);
  checks.push_back(line("ptrace_scope", scope < 3, Standing::kLimited,
                        number_or_dash(facts.ptrace_scope),
                        "reading a process's memory; descriptors are not affected",
                        "set kernel.yama.ptrace_scope below 3, and reboot"));
}

void add_views(const MachineFacts& facts, std::vector<MachineCheck>& checks) {
  std::string notes;
  for (const auto& note : facts.sock_diag_notes) notes += (notes.empty() ? "" : "; ") + note;
  checks.push_back(line("sock_diag", notes.empty(), Standing::kLimited,
                        notes.empty() ? "tcp, udp and unix sockets are listed" : notes,
                        "states, queues and idle times without privileges",
                        "sudo modprobe -a inet_diag tcp_diag udp_diag unix_diag"));
  checks.push_back(
      line("other processes", facts.others_readable, Standing::kLimited,
           facts.others_readable ? "those of all users are readable"
                                 : fmt::format("only those of uid {} are readable", facts.uid),
           "looking at all of them; what cannot be read is said, never counted as nothing",
           "run it with sudo, or with CAP_SYS_PTRACE"));
  const std::string notification = no_notification(facts);
  checks.push_back(
      line("user notification", notification.empty(), Standing::kLimited,
           notification.empty() ? "there" : notification,
           "run of a command without privileges (rung seccomp)",
           !facts.user_notification         ? "boot Linux 5.5 or newer with CONFIG_SECCOMP_FILTER=y"
           : facts.listener_refused == EBUSY ? "start unclosed outside of what listens already"
                                             : "give the container a seccomp profile that allows "
                                               "seccomp, pidfd_open and pidfd_getfd"));
  const bool asked = facts.debuginfod_urls && facts.debuginfod_library;
  checks.push_back(line("debuginfod", asked, Standing::kLimited,
                        asked                   ? "configured"
                        : facts.debuginfod_urls ? "DEBUGINFOD_URLS is set, the library is not there"
                                                : "DEBUGINFOD_URLS is not set",
                        "names and lines of stripped binaries of the distribution",
                        facts.debuginfod_urls
                            ? "sudo apt-get install libdebuginfod1"
                            : "export DEBUGINFOD_URLS=https://debuginfod.debian.net"));
}

MachineCheck tried(std::string name, const Trial& trial, std::string worked, std::string why) {
  if (trial.worked())
    return {std::move(name), Standing::kOk, std::move(worked), std::move(why), {}};
  std::string remedy =
      trial.denied ? std::string(kSetCapabilities) : fmt::format("unclosed explain {}", trial.id);
  return {std::move(name), Standing::kMissing, trial.error, std::move(why), std::move(remedy)};
}

}  // namespace

std::string_view to_string(Standing standing) {
  switch (standing) {
    case Standing::kOk:
      return "ok";
    case Standing::kLimited:
      return "limited";
    case Standing::kMissing:
      return "missing";
  }
  return "";
}

std::vector<MachineCheck> weigh_machine(const MachineFacts& facts) {
  std::vector<MachineCheck> checks;
  add_kernel(facts, checks);
  add_capabilities(facts, checks);
  add_tracing(facts, checks);
  add_settings(facts, checks);
  add_views(facts, checks);
  auto hooks = tried("hooks", facts.hooks, "every hook saw what this process did",
                     "attach and run; proven on this process itself");
  // Whoever holds the capabilities lacks only what they cannot mount.
  if (facts.hooks.denied && has(facts, CAP_BPF) && facts.tracefs == TraceFs::kNotMounted) {
    hooks.remedy = kMountTraceFs;
  }
  if (facts.hooks.worked() && !facts.missing_hooks.empty()) {
    hooks.standing = Standing::kLimited;
    hooks.found = "not in this kernel:";
    for (const auto& hook : facts.missing_hooks) hooks.found += " " + hook;
    hooks.remedy = "none is needed: what they would see is found by the next scan, without a stack";
  }
  checks.push_back(std::move(hooks));
  checks.push_back(tried("listing", facts.listing, "the kernel's tables can be read",
                         "an ls that is fast and sees every socket"));
  return checks;
}

std::vector<RungState> rungs_of(const MachineFacts& facts) {
  const bool traced = facts.hooks.worked();
  const std::string notification = no_notification(facts);
  return {
      {"bpf", traced,
       traced ? "attach, run and ls: states, stacks, lines of code" : facts.hooks.error},
      {"seccomp", notification.empty(),
       notification.empty() ? "run without privileges: states, stacks of openings, requests and "
                              "closes, lines of code"
                            : notification},
      {"proc", true,
       "ls and attach: counts, states, queues, ages, verdicts as far as they go; no lines of code"},
  };
}

}  // namespace unclosed
