#include "cli/targets.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "collect/sockdiag/sockdiag.h"
#include "report/printable.h"

namespace unclosed {
namespace {

constexpr size_t kMostListed = 20;
constexpr size_t kKernelName = 15;  // longest name that the kernel keeps of a process

Error no_process(std::string text) { return {ErrorKind::kGone, std::move(text), "UC-E003"}; }

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

template <class T>
std::optional<T> parsed(std::string_view text) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string command_line(const ProcessSummary& process) {
  std::string text;
  for (const auto& argument : process.command) {
    if (!text.empty()) text += ' ';
    text += argument;
    if (text.size() > 256) break;
  }
  return fit(printable(text.empty() ? "[" + process.comm + "]" : text), 60);
}

std::string started_at(const ProcessSummary& process, const ProcFs& proc) {
  const auto info = proc.info(process.id);
  return info ? WallClock::now().format(info->started) : "-";
}

Error ambiguous(const std::string& target, const std::vector<ProcessSummary>& candidates,
                const ProcFs& proc) {
  std::string text = fmt::format("'{}' is {} processes:\n  {:>8} {:>6}  {:<20}  {}", target,
                                 candidates.size(), "PID", "UID", "STARTED", "COMMAND");
  for (size_t i = 0; i < std::min(candidates.size(), kMostListed); ++i) {
    const auto& one = candidates[i];
    text += fmt::format("\n  {:>8} {:>6}  {:<20}  {}", one.id.pid, one.uid, started_at(one, proc),
                        command_line(one));
  }
  if (candidates.size() > kMostListed) {
    text += fmt::format("\n  and {} more", candidates.size() - kMostListed);
  }
  return {ErrorKind::kUsage, text, "UC-E002"};
}

// Has no program of its own: a thread of the kernel, or one that has ended.
bool is_bare(const ProcessSummary& process) {
  return process.command.empty() && process.exe.empty();
}

bool has_name(const ProcessSummary& process, const std::string& name) {
  if (name.empty()) return false;
  if (process.comm == name || base_name(process.exe) == name) return true;
  if (name.size() > kKernelName && process.exe.empty() &&
      process.comm == name.substr(0, kKernelName)) {
    return true;
  }
  return !process.command.empty() && base_name(process.command.front()) == name;
}

// All but our own; sorted by start.
Result<std::vector<ProcessSummary>> everybody(const ProcFs& proc) {
  const auto all = proc.all();
  if (!all) return all.error();
  std::vector<ProcessSummary> summaries;
  for (const auto& process : *all) {
    auto summary = proc.summary(process.pid);
    if (summary && summary->id == process && process.pid != ::getpid()) {
      summaries.push_back(*std::move(summary));
    }
  }
  std::sort(summaries.begin(), summaries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.id.start_ticks, a.id.pid) < std::pair(b.id.start_ticks, b.id.pid);
  });
  return summaries;
}

// The one of `candidates` from which all others descend through candidates; nullptr if none.
const ProcessSummary* root_of_tree(const std::vector<ProcessSummary>& candidates) {
  std::set<pid_t> pids;
  for (const auto& one : candidates) pids.insert(one.id.pid);
  const ProcessSummary* root = nullptr;
  for (const auto& one : candidates) {
    if (pids.count(one.parent) > 0) continue;
    if (root != nullptr) return nullptr;
    root = &one;
  }
  return root;
}

Result<std::vector<ProcessId>> one_tree(const std::string& target,
                                        const std::vector<ProcessSummary>& candidates,
                                        const ProcFs& proc) {
  const auto* root = root_of_tree(candidates);
  if (root == nullptr) return ambiguous(target, candidates, proc);
  std::vector<ProcessId> tree = {root->id};
  for (const auto& one : candidates) {
    if (one.id != root->id) tree.push_back(one.id);
  }
  return tree;
}

Result<std::vector<ProcessId>> by_pid(const std::string& target, const ProcFs& proc) {
  const auto pid = parsed<pid_t>(target);
  if (!pid || *pid == 0) return no_process(fmt::format("no process has the pid {}", target));
  if (*pid == ::getpid()) {
    return Error{ErrorKind::kUsage, fmt::format("{} is unclosed itself", target), "UC-E009"};
  }
  const auto leader = proc.leader_of(*pid);
  const auto summary = leader ? proc.summary(*leader) : Result<ProcessSummary>(leader.error());
  if (!summary) {
    if (summary.error().kind != ErrorKind::kGone) return summary.error();
    return no_process(fmt::format("no process has the pid {}", target));
  }
  if (is_bare(*summary)) {
    const bool ended = !proc.alive(summary->id);
    if (ended) return no_process(fmt::format("process {} has ended", target));
    return Error{ErrorKind::kUsage,
                 fmt::format("{} [{}] is a thread of the kernel", target, printable(summary->comm)),
                 "UC-E015"};
  }
  return std::vector<ProcessId>{summary->id};
}

Result<std::vector<ProcessId>> by_name(const std::string& target, const ProcFs& proc) {
  auto all = everybody(proc);
  if (!all) return all.error();
  std::erase_if(*all, [&](const auto& one) { return is_bare(one) || !has_name(one, target); });
  if (all->empty()) {
    return no_process(fmt::format("no process has the name '{}'", printable(target)));
  }
  return one_tree(target, *all, proc);
}

// Sockets that have a local port, in one network namespace.
struct PortHolders {
  std::set<uint64_t> listening, other;
  std::optional<uint32_t> uid;  // of one of them
};

Result<PortHolders> holders_of(const SockDiag& diag, uint16_t port) {
  const auto dump = diag.dump();
  if (!dump) return dump.error();
  PortHolders holders;
  for (const auto& fact : dump->sockets) {
    if (!fact.local.known() || fact.local.port != port) continue;
    (fact.listening ? holders.listening : holders.other).insert(fact.inode);
    holders.uid = fact.uid;
  }
  return holders;
}

bool holds_any(const ProcessId& process, const std::set<uint64_t>& inodes, const ProcFs& proc) {
  const auto own = proc.socket_inodes(process);
  if (!own) return false;
  return std::any_of(own->begin(), own->end(),
                     [&](uint64_t inode) { return inodes.count(inode) > 0; });
}

std::vector<ProcessSummary> who_holds(const std::set<uint64_t>& inodes,
                                      const std::vector<ProcessSummary>& all, const ProcFs& proc) {
  std::vector<ProcessSummary> holders;
  if (inodes.empty()) return holders;
  for (const auto& one : all) {
    if (holds_any(one.id, inodes, proc)) holders.push_back(one);
  }
  // The init system keeps the listening sockets of services that it starts on demand.
  if (holders.size() > 1) std::erase_if(holders, [](const auto& one) { return one.id.pid == 1; });
  return holders;
}

// Sockets with the port, in our own namespace first, then in all that we may enter.
Result<PortHolders> find_port(uint16_t port, const std::vector<ProcessSummary>& all) {
  const auto own = SockDiag::open_own();
  if (!own) return own.error();
  auto found = holders_of(*own, port);
  if (!found || !found->listening.empty()) return found;
  std::set<uint64_t> asked = {own->network_namespace()};
  for (const auto& one : all) {
    // Opening is cheap beside a dump, which is made once for each namespace.
    struct stat status {};
    if (::stat(fmt::format("/proc/{}/ns/net", one.id.pid).c_str(), &status) != 0) continue;
    if (!asked.insert(status.st_ino).second) continue;
    const auto diag = SockDiag::open(one.id);
    if (!diag) continue;
    auto more = holders_of(*diag, port);
    if (!more) continue;
    found->listening.merge(more->listening);
    found->other.merge(more->other);
    if (!found->uid) found->uid = more->uid;
  }
  return found;
}

Result<std::vector<ProcessId>> by_port(const std::string& target, const ProcFs& proc) {
  const auto text = std::string_view(target).substr(5);
  const auto port = is_number(text) ? parsed<uint16_t>(text) : std::nullopt;
  if (!port || *port == 0) {
    return Error{
        ErrorKind::kUsage,
        fmt::format("'{}' is no port: write port:5432, from 1 to 65535", printable(target)),
        "UC-E001"};
  }
  const auto all = everybody(proc);
  if (!all) return all.error();
  const auto found = find_port(*port, *all);
  if (!found) return found.error();
  auto holders = who_holds(found->listening, *all, proc);
  if (holders.empty() && found->listening.empty()) holders = who_holds(found->other, *all, proc);
  if (!holders.empty()) return one_tree(target, holders, proc);
  if (!found->listening.empty() && ::geteuid() != 0) {
    return Error{ErrorKind::kDenied,
                 fmt::format("port {} is listened on by a process of uid {}, which uid {} may not "
                             "look into",
                             *port, found->uid.value_or(0), ::geteuid()),
                 "UC-E004"};
  }
  return Error{ErrorKind::kGone, fmt::format("no process that can be seen has the port {}", *port),
               "UC-E008"};
}

Result<std::vector<ProcessId>> by_control_group(const std::string& target, const ProcFs& proc) {
  const auto all = everybody(proc);
  if (!all) return all.error();
  std::vector<ProcessId> members;
  for (const auto& one : *all) {
    const auto membership = proc.control_groups(one.id);
    if (membership && in_control_group(*membership, target)) members.push_back(one.id);
  }
  if (members.empty()) {
    return no_process(fmt::format("no process is in a control group of '{}'", printable(target)));
  }
  return members;
}

// Denied now rather than after the hooks are armed.
Status may_look(const ProcessId& process, const ProcFs& proc) {
  const auto descriptors = proc.descriptors(process);
  if (descriptors) return {};
  if (descriptors.error().kind == ErrorKind::kGone) {
    return no_process(fmt::format("process {} has ended", process.pid));
  }
  if (descriptors.error().kind != ErrorKind::kDenied) return descriptors.error();
  const auto summary = proc.summary(process.pid);
  std::string text = fmt::format("cannot look into {}", process.pid);
  if (summary) {
    text = fmt::format("cannot look into {}[{}]: it belongs to uid {}, and you are uid {}",
                       printable(summary->comm), process.pid, summary->uid, ::geteuid());
  }
  return Error{ErrorKind::kDenied, text, "UC-E004"};
}

}  // namespace

bool in_control_group(std::string_view membership, std::string_view target) {
  const bool unit = target.starts_with("unit:");
  std::string_view wanted = target.substr(target.find(':') + 1);
  constexpr size_t kLeastDigits = 6;
  if (unit ? wanted.empty() : wanted.size() < kLeastDigits) return false;
  for (size_t at = membership.find('/'); at != std::string_view::npos;
       at = membership.find('/', at + 1)) {
    std::string_view part = membership.substr(at + 1);
    part = part.substr(0, part.find_first_of("/\n"));
    if (unit) {
      if (part == wanted) return true;
      if (part.ends_with(".service") && part.substr(0, part.size() - 8) == wanted) return true;
      continue;
    }
    // docker-ID.scope, cri-containerd-ID.scope, libpod-ID.scope, or the id alone.
    if (part.ends_with(".scope")) part.remove_suffix(6);
    if (part.rfind('-') != std::string_view::npos) part.remove_prefix(part.rfind('-') + 1);
    const bool id = part.size() >= 32 && part.find_first_not_of("0123456789abcdef") == part.npos;
    if (id && part.starts_with(wanted)) return true;
  }
  return false;
}

std::vector<ProcessId> with_descendants(const std::vector<ProcessId>& processes,
                                        const ProcFs& proc) {
  std::vector<ProcessId> tree;
  std::vector<ProcessId> open(processes.rbegin(), processes.rend());
  while (!open.empty()) {
    const ProcessId process = open.back();
    open.pop_back();
    if (std::find(tree.begin(), tree.end(), process) != tree.end()) continue;
    tree.push_back(process);
    const auto children = proc.children(process);
    if (!children) continue;  // ended meanwhile
    open.insert(open.end(), children->rbegin(), children->rend());
  }
  return tree;
}

Result<std::vector<ProcessId>> find_targets(const std::vector<std::string>& targets,
                                            const ProcFs& proc, TargetAccess access) {
  std::vector<ProcessId> found;
  for (const auto& target : targets) {
    const auto some = is_number(target)             ? by_pid(target, proc)
                      : target.starts_with("port:") ? by_port(target, proc)
                      : target.starts_with("unit:") || target.starts_with("container:")
                          ? by_control_group(target, proc)
                          : by_name(target, proc);
    if (!some) return some.error();
    for (const auto& process : *some) {
      if (std::find(found.begin(), found.end(), process) == found.end()) found.push_back(process);
    }
  }
  if (access == TargetAccess::kAny) return found;
  for (const auto& process : found) {
    const auto allowed = may_look(process, proc);
    if (!allowed) return allowed.error();
  }
  return found;
}

}  // namespace unclosed
