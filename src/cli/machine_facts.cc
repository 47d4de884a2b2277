// How the facts about this machine are read.
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/fd.h"
#include "cli/machine.h"
#include "collect/bpf/collector.h"
#include "collect/bpf/kernel_features.h"
#include "collect/bpf/listing_side.h"
#include "collect/procfs/procfs.h"
#include "collect/seccomp/filter.h"
#include "collect/sockdiag/sockdiag.h"
#include "symbolize/module_store.h"

namespace unclosed {
namespace {

bool readable(const std::string& path) { return Fd::open(path, O_RDONLY).has_value(); }

std::optional<int> setting(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return {};
  int value = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failure != std::errc()) return {};
  return value;
}

uint64_t effective_capabilities() {
  const auto text = read_file("/proc/self/status");
  if (!text) return 0;
  constexpr std::string_view kField = "\nCapEff:\t";
  const size_t at = text->find(kField);
  uint64_t bits = 0;
  if (at != std::string::npos) {
    std::from_chars(text->data() + at + kField.size(), text->data() + text->size(), bits, 16);
  }
  return bits;
}

bool in_first_user_namespace() {
  const auto text = read_file("/proc/self/uid_map");
  if (!text) return true;  // a kernel without user namespaces
  unsigned inside = 0, outside = 0, count = 0;
  return std::sscanf(text->c_str(), "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
         outside == 0 && count == UINT32_MAX;
}

void put_tracefs(MachineFacts& facts) {
  for (const std::string place : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    struct stat status {};
    if (::stat((place + "/events").c_str(), &status) == 0) {
      facts.tracefs = TraceFs::kThere;
      facts.syscall_tracepoints = readable(place + "/events/syscalls/sys_enter_close/id");
      return;
    }
    if (errno == EACCES) facts.tracefs = TraceFs::kUnreadable;
  }
}

void put_sockets(MachineFacts& facts) {
  const auto diag = SockDiag::open_own();
  const auto table = diag ? diag->table() : Result<SocketTable>(diag.error());
  if (table) {
    facts.sock_diag_notes = table->notes();
  } else {
    facts.sock_diag_notes.push_back(table.error().context);
  }
}

// Somebody else's process is as good as any; without one there is nothing that we could not read.
bool others_readable() {
  const ProcFs proc;
  const auto all = proc.all();
  if (!all) return false;
  for (const ProcessId& process : *all) {
    const auto descriptors = proc.descriptors(process);
    if (!descriptors && descriptors.error().kind == ErrorKind::kDenied) return false;
  }
  return true;
}

Trial outcome(const Error& error) {
  return {error.context, std::string(error.id), error.kind == ErrorKind::kDenied};
}

void try_kernel_side(MachineFacts& facts) {
  ModuleStore modules("/proc");
  BpfSettings settings;
  settings.most_connections = 4096;
  const auto collector = BpfCollector::open(settings, modules, ProcFs());
  if (collector) {
    facts.missing_hooks = collector->coverage().missing_hooks;
  } else {
    facts.hooks = outcome(collector.error());
  }
  const auto listing = ListingSide::load();
  if (!listing) facts.listing = outcome(listing.error());
}

}  // namespace

MachineFacts gather_machine() {
  MachineFacts facts;
  utsname names{};
  ::uname(&names);
  facts.release = names.release;
  facts.x86_64 = std::string_view(names.machine) == "x86_64";
  facts.uid = ::geteuid();
  facts.types = readable("/sys/kernel/btf/vmlinux");
  facts.capabilities = effective_capabilities();
  facts.own_user_namespace = !in_first_user_namespace();
  rlimit locked{};
  ::getrlimit(RLIMIT_MEMLOCK, &locked);
  if (locked.rlim_cur != RLIM_INFINITY) facts.locked_memory = locked.rlim_cur;
  facts.perf_event_paranoid = setting("/proc/sys/kernel/perf_event_paranoid");
  facts.ptrace_scope = setting("/proc/sys/kernel/yama/ptrace_scope");
  facts.unprivileged_bpf_disabled = setting("/proc/sys/kernel/unprivileged_bpf_disabled");
  facts.uprobe_multi = facts.types && has_uprobe_multi();
  facts.socket_tracepoints = facts.types && has_tracepoint("sock_send_length");
  const auto actions = read_file("/proc/sys/kernel/seccomp/actions_avail");
  facts.user_notification = actions && actions->find("user_notif") != std::string::npos;
  facts.listener_refused = listener_refused();
  put_sockets(facts);
  facts.others_readable = others_readable();
  const char* urls = std::getenv("DEBUGINFOD_URLS");
  facts.debuginfod_urls = urls != nullptr && *urls != '\0';
  void* library = ::dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_LOCAL);
  facts.debuginfod_library = library != nullptr;
  if (library != nullptr) ::dlclose(library);
  try_kernel_side(facts);
  put_tracefs(facts);  // behind the trial, which mounts it where it may
  return facts;
}

}  // namespace unclosed
