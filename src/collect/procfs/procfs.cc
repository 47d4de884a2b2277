#include "collect/procfs/procfs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/fd.h"
#include "collect/procfs/place.h"
#include "model/cut_secrets.h"

namespace unclosed {
namespace {

// A longer command line is cut there: it is only shown.
constexpr size_t kMostCommand = 256 << 10;

Error corrupt(const std::string& what) { return {ErrorKind::kCorrupt, what, {}}; }

// At most the first `cap` bytes; `whole` says whether that was all.
Result<std::string> read_start(int directory, const char* name, size_t cap, bool& whole) {
  const auto file = Fd::open_at(directory, name, O_RDONLY);
  if (!file) return file.error();
  std::string text(cap, '\0');
  size_t filled = 0;
  while (filled < cap) {
    const auto got =
        retry_eintr([&] { return ::read(file->get(), text.data() + filled, cap - filled); });
    if (got < 0) return system_error(errno, name);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  whole = filled < cap;
  text.resize(filled);
  return text;
}

Result<std::string> read_link_at(int directory, const std::string& name) {
  std::string text(256, '\0');
  for (;;) {
    const auto got = ::readlinkat(directory, name.c_str(), text.data(), text.size());
    if (got < 0) return system_error(errno, name);
    if (static_cast<size_t>(got) < text.size()) {
      text.resize(static_cast<size_t>(got));
      return text;
    }
    text.resize(text.size() * 2);
  }
}

Result<std::vector<std::string>> read_command(int directory) {
  bool whole = true;
  const auto text = read_start(directory, "cmdline", kMostCommand, whole);
  if (!text) return text.error();
  std::vector<std::string> command;
  std::string_view rest(*text);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    command.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  // Half an argument may be half a secret, without what tells that it is one.
  if (!whole && !command.empty()) command.back() = "[cut]";
  return cut_secrets(std::move(command));
}

constexpr std::string_view kDeleted = " (deleted)";

std::string without_deleted(std::string path) {
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

// Boot ticks are on CLOCK_BOOTTIME, which also counts suspended time.
Instant on_monotonic(uint64_t start_ticks) {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto now = monotonic_now();
  const double since_boot =
      static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) / 1e9;
  const double started =
      static_cast<double>(start_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return now - from_seconds(since_boot - started);
}

std::optional<Mapping> parse_mapping(std::string_view line) {
  const auto range = next_word(line), flags = next_word(line), offset = next_word(line),
             device = next_word(line), inode = next_word(line);
  const size_t dash = range.find('-'), colon = device.find(':');
  if (dash == std::string_view::npos || colon == std::string_view::npos || flags.size() < 4) {
    return {};
  }
  const auto start = number<uint64_t>(range.substr(0, dash), 16);
  const auto end = number<uint64_t>(range.substr(dash + 1), 16);
  const auto at = number<uint64_t>(offset, 16);
  const auto major_number = number<uint32_t>(device.substr(0, colon), 16);
  const auto minor_number = number<uint32_t>(device.substr(colon + 1), 16);
  const auto node = number<uint64_t>(inode);
  if (!start || !end || !at || !major_number || !minor_number || !node) return {};
  Mapping mapping;
  mapping.start = *start;
  mapping.end = *end;
  mapping.offset = *at;
  mapping.device_major = *major_number;
  mapping.device_minor = *minor_number;
  mapping.inode = *node;
  mapping.writable = flags[1] == 'w';
  mapping.executable = flags[2] == 'x';
  // The kernel writes a newline in a path as \012, and nothing else in another way.
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  std::string path(line);
  for (size_t at_escape = 0; (at_escape = path.find("\\012", at_escape)) != std::string::npos;) {
    path.replace(at_escape++, 4, "\n");
  }
  if (mapping.inode != 0 && path.ends_with(kDeleted)) {
    mapping.deleted = true;
    path = without_deleted(std::move(path));
  }
  mapping.path = std::move(path);
  return mapping;
}

// Linux 6.2 and newer give the count as the directory's size (commit f1f1f2569901), also to those
// who may not list it.
std::optional<uint64_t> counted_by_kernel(int directory) {
  struct stat status {};
  struct statfs filesystem {};
  if (::fstatat(directory, "fd", &status, 0) != 0 || status.st_size <= 0) return {};
  if (::fstatfs(directory, &filesystem) != 0 || filesystem.f_type != PROC_SUPER_MAGIC) return {};
  return static_cast<uint64_t>(status.st_size);
}

}  // namespace

Result<ProcessId> ProcFs::identify(pid_t pid) const {
  const auto place = open_number(x_root, pid);
  if (!place) return place.error();
  return ProcessId{pid, place->stat.start_ticks};
}

Result<pid_t> ProcFs::leader_of(pid_t thread) const {
  const auto text = read_file(fmt::format("{}/{}/status", x_root, thread));
  if (!text) return text.error();
  constexpr std::string_view kField = "\nTgid:";
  const size_t at = text->find(kField);
  if (at == std::string::npos) return corrupt(fmt::format("status of process {}", thread));
  auto rest = std::string_view(*text).substr(at + kField.size());
  rest = rest.substr(0, rest.find('\n'));
  const auto leader = number<pid_t>(next_word(rest));
  if (!leader) return corrupt(fmt::format("status of process {}", thread));
  return *leader;
}

Result<std::string> ProcFs::thread_name(pid_t thread) const {
  const auto place = open_number(x_root, thread);
  if (!place) return place.error();
  auto name = read_at(place->directory.get(), "comm", 64);
  if (!name) return name.error();
  if (name->ends_with('\n')) name->pop_back();
  return name;
}

Result<ProcessSummary> ProcFs::summary(pid_t pid) const {
  const auto place = open_number(x_root, pid);
  if (!place) return place.error();
  const int directory = place->directory.get();
  ProcessSummary summary;
  summary.id = {pid, place->stat.start_ticks};
  summary.parent = place->stat.parent;
  summary.comm = place->stat.comm;
  struct stat status {};
  if (::fstat(directory, &status) != 0) return system_error(errno, "stat");
  summary.uid = status.st_uid;
  auto command = read_command(directory);
  if (!command) return command.error();
  summary.command = *std::move(command);
  if (auto exe = read_link_at(directory, "exe")) summary.exe = without_deleted(*std::move(exe));
  return summary;
}

bool ProcFs::alive(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place || place->stat.state == 'X') return false;
  // A first thread that has ended while others go on looks like a zombie.
  return place->stat.state != 'Z' || place->stat.threads > 1;
}

namespace {
constexpr uint32_t kExiting = 0x4;  // PF_EXITING, include/linux/sched.h
}  // namespace

bool ProcFs::first_thread_ending(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  return !place || (place->stat.flags & kExiting) != 0;
}

bool ProcFs::ending(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return true;
  if ((place->stat.flags & kExiting) == 0) return false;
  const auto threads = numbered_entries(place->directory.get(), "task");
  if (!threads) return true;
  return std::all_of(threads->begin(), threads->end(), [&](int thread) {
    const auto name = fmt::format("task/{}/stat", thread);
    const auto text = read_at(place->directory.get(), name.c_str());
    const auto stat = text ? parse_stat(*text) : Result<ProcessStat>(text.error());
    return !stat || (stat->flags & kExiting) != 0;
  });
}

Result<ProcessInfo> ProcFs::info(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  const int directory = place->directory.get();
  ProcessInfo info;
  info.id = process;
  info.started = on_monotonic(process.start_ticks);
  if (place->stat.parent > 0) {
    const auto parent = identify(place->stat.parent);
    if (parent && parent->start_ticks <= process.start_ticks) info.parent = *parent;
  }
  auto command = read_command(directory);
  if (!command) return command.error();
  info.command = *std::move(command);
  auto exe = read_link_at(directory, "exe");
  if (exe) {
    info.exe = without_deleted(*std::move(exe));
  } else if (exe.error().kind != ErrorKind::kGone) {
    return exe.error();  // a zombie and a kernel thread have none; anybody else's we may not see
  }
  return info;
}

Result<std::string> ProcFs::control_groups(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  return read_at(place->directory.get(), "cgroup", 1UL << 20);
}

std::optional<bool> ProcFs::same_file(const Descriptor& one, const Descriptor& other) const {
  const long order = ::syscall(SYS_kcmp, one.process.pid, other.process.pid, KCMP_FILE,
                               static_cast<unsigned long>(one.fd),
                               static_cast<unsigned long>(other.fd));
  return order < 0 ? std::nullopt : std::optional(order == 0);
}

Result<std::string> ProcFs::system_call(const ProcessId& process, pid_t thread) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  return read_at(place->directory.get(), fmt::format("task/{}/syscall", thread).c_str(), 4096);
}

Result<std::vector<Mapping>> ProcFs::mappings(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  const auto text = read_at(place->directory.get(), "maps", 256UL << 20);
  if (!text) return text.error();
  std::vector<Mapping> mappings;
  std::string_view rest(*text);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) {
      auto mapping = parse_mapping(rest.substr(0, end));
      if (!mapping) return corrupt(fmt::format("maps of process {}", process.pid));
      mappings.push_back(*std::move(mapping));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return mappings;
}

Result<LimitUse> ProcFs::nofile(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  const int directory = place->directory.get();
  const auto text = read_at(directory, "limits");
  if (!text) return text.error();
  constexpr std::string_view kName = "Max open files";
  const size_t at = text->find(kName);
  if (at == std::string::npos) return corrupt(fmt::format("limits of process {}", process.pid));
  std::string_view rest(*text);
  rest = rest.substr(at + kName.size());
  rest = rest.substr(0, rest.find('\n'));
  const auto soft = next_word(rest);
  LimitUse limit{"nofile", process, 0, number<uint64_t>(soft)};
  if (!limit.max && soft != "unlimited") {
    return corrupt(fmt::format("limits of process {}", process.pid));
  }
  if (const auto count = counted_by_kernel(directory)) {
    limit.used = *count;
    return limit;
  }
  const auto numbers = numbered_entries(directory, "fd");
  if (!numbers) return numbers.error();
  limit.used = numbers->size();
  return limit;
}

Instant ProcFs::started(const ProcessId& process) const {
  return on_monotonic(process.start_ticks);
}

std::optional<LimitUse> ProcFs::open_files() const {
  const auto text = read_file(x_root + "/sys/fs/file-nr");
  if (!text) return {};
  std::string_view rest(*text);
  rest = rest.substr(0, rest.find('\n'));
  const auto used = number<uint64_t>(next_word(rest));
  next_word(rest);  // free ones, which Linux does not count any more
  const auto most = number<uint64_t>(next_word(rest));
  if (!used || !most) return {};
  return LimitUse{"open-files", {}, *used, *most};
}

std::optional<std::pair<uint16_t, uint16_t>> ProcFs::port_range() const {
  const auto text = read_file(x_root + "/sys/net/ipv4/ip_local_port_range");
  if (!text) return {};
  std::string_view rest(*text);
  rest = rest.substr(0, rest.find('\n'));
  const auto first = number<uint16_t>(next_word(rest)), last = number<uint16_t>(next_word(rest));
  if (!first || !last || *last < *first) return {};
  return std::pair(*first, *last);
}

Result<std::vector<int>> ProcFs::descriptors(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  return numbered_entries(place->directory.get(), "fd");
}

Result<std::string> ProcFs::link(const ProcessId& process, int fd) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  return read_link_at(place->directory.get(), fmt::format("fd/{}", fd));
}

Result<std::vector<uint64_t>> ProcFs::socket_inodes(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  const int directory = place->directory.get();
  const auto numbers = numbered_entries(directory, "fd");
  if (!numbers) return numbers.error();
  constexpr std::string_view kPrefix = "socket:[";
  std::vector<uint64_t> inodes;
  for (const int fd : *numbers) {
    const auto text = read_link_at(directory, fmt::format("fd/{}", fd));
    if (!text) {
      if (text.error().kind == ErrorKind::kGone) continue;  // closed meanwhile
      return text.error();
    }
    std::string_view name(*text);
    if (!name.starts_with(kPrefix) || !name.ends_with(']')) continue;
    name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - 1);
    if (const auto inode = number<uint64_t>(name)) inodes.push_back(*inode);
  }
  std::sort(inodes.begin(), inodes.end());
  inodes.erase(std::unique(inodes.begin(), inodes.end()), inodes.end());
  return inodes;
}

Result<std::vector<ProcessId>> ProcFs::all() const {
  const auto numbers = numbered_entries(AT_FDCWD, x_root.c_str());
  if (!numbers) return numbers.error();
  std::vector<ProcessId> processes;
  for (const int pid : *numbers) {
    const auto process = identify(pid);
    if (process) {
      processes.push_back(*process);
    } else if (process.error().kind == ErrorKind::kCorrupt) {
      return process.error();
    }
  }
  return processes;
}

Result<std::vector<ProcessId>> ProcFs::children(const ProcessId& process) const {
  const auto place = open_process(x_root, process);
  if (!place) return place.error();
  const auto threads = numbered_entries(place->directory.get(), "task");
  if (!threads) return threads.error();
  std::vector<int> pids;
  bool listed = false;
  for (const int thread : *threads) {
    const auto text =
        read_at(place->directory.get(), fmt::format("task/{}/children", thread).c_str());
    if (!text) {
      if (text.error().kind == ErrorKind::kGone) continue;  // the thread ended meanwhile
      return text.error();
    }
    listed = true;
    std::string_view rest(*text);
    for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
      if (const auto pid = number<pid_t>(word)) pids.push_back(*pid);
    }
  }
  if (!listed) {  // a kernel without CONFIG_PROC_CHILDREN: ask everybody for the parent
    auto everybody = numbered_entries(AT_FDCWD, x_root.c_str());
    if (!everybody) return everybody.error();
    pids = *std::move(everybody);
  }
  std::vector<ProcessId> children;
  for (const pid_t pid : pids) {
    const auto child = open_number(x_root, pid);
    if (child && child->stat.parent == process.pid) {
      children.push_back({pid, child->stat.start_ticks});
    }
  }
  std::sort(children.begin(), children.end(), [](const ProcessId& a, const ProcessId& b) {
    return std::pair(a.start_ticks, a.pid) < std::pair(b.start_ticks, b.pid);
  });
  return children;
}

std::string ProcFs::root_of(const ProcessId& process) const {
  return fmt::format("{}/{}/root", x_root, process.pid);
}

}  // namespace unclosed
