#include "collect/seccomp/onlooker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kcmp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "collect/procfs/descriptor_table.h"
#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

constexpr size_t kMostThreads = 2048, kMostProcesses = 256;
constexpr Duration kTrusted = std::chrono::milliseconds(50);
constexpr size_t kPage = 4096;

// As many of the words as stand there; the last two of /proc/TID/syscall are sp and pc.
std::optional<std::pair<uint64_t, uint64_t>> sp_and_pc(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const auto last = [&]() -> std::optional<uint64_t> {
    const auto space = text.rfind(' ');
    if (space == std::string_view::npos || text.substr(space + 1, 2) != "0x") return std::nullopt;
    uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + space + 3, end, value, 16);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    text = text.substr(0, space);
    return value;
  };
  const auto pc = last();
  const auto sp = pc ? last() : std::nullopt;
  if (!sp) return std::nullopt;
  return std::pair{*sp, *pc};
}

// Reads up to the first page that is not there.
size_t read_memory(uint32_t process, uint64_t from, void* into, size_t size) {
  std::array<iovec, kMostStackCopy / kPage + 1> parts{};
  size_t count = 0;
  for (uint64_t at = from; at < from + size && count < parts.size(); ++count) {
    const uint64_t next = std::min<uint64_t>((at & ~(kPage - 1)) + kPage, from + size);
    parts[count] = {reinterpret_cast<void*>(at), static_cast<size_t>(next - at)};
    at = next;
  }
  const iovec whole{into, size};
  const ssize_t got =
      ::process_vm_readv(static_cast<pid_t>(process), &whole, 1, parts.data(), count, 0);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

}  // namespace

Onlooker::Thread* Onlooker::thread(uint32_t id) {
  const auto known = x_threads.find(id);
  if (known != x_threads.end()) return &known->second;
  if (x_threads.size() >= kMostThreads) x_threads.clear();
  const auto status = read_file(fmt::format("/proc/{}/status", id));
  constexpr std::string_view kTgid = "\nTgid:\t";
  const auto at = status ? status->find(kTgid) : std::string::npos;
  if (at == std::string::npos) return nullptr;
  Thread found;
  found.checked = monotonic_now();
  const char* from = status->data() + at + kTgid.size();
  std::from_chars(from, status->data() + status->size(), found.process);
  auto position = Fd::open(fmt::format("/proc/{}/syscall", id), O_RDONLY);
  if (position) found.position = *std::move(position);
  return &x_threads.emplace(id, std::move(found)).first->second;
}

uint32_t Onlooker::process_of(uint32_t id, Instant now) {
  const auto known = x_threads.find(id);
  if (known != x_threads.end() && now - known->second.checked > kTrusted) {
    // A descriptor of a thread that has ended reads nothing: the number is another's by now.
    char byte;
    const bool there =
        known->second.position.valid() && ::pread(known->second.position.get(), &byte, 1, 0) == 1;
    if (!there)
      x_threads.erase(known);
    else
      known->second.checked = now;
  }
  const Thread* found = thread(id);
  return found == nullptr ? 0 : found->process;
}

// A directory of a process that has ended holds nothing: the number is another's by now.
ssize_t Onlooker::read_link(uint32_t process, int fd, std::span<char> link) {
  std::array<char, 16> number{};
  *fmt::format_to_n(number.data(), number.size() - 1, "{}", fd).out = '\0';
  const auto known = x_tables.find(process);
  const Instant now = monotonic_now();
  if (known != x_tables.end()) {
    Table& table = known->second;
    const ssize_t size =
        ::readlinkat(table.directory.get(), number.data(), link.data(), link.size());
    if (size > 0) table.checked = now;
    if (size > 0 || now - table.checked < kTrusted) return size;
  }
  auto table = Fd::open(fmt::format("/proc/{}/fd", process), O_PATH | O_DIRECTORY);
  if (!table) return -1;
  if (x_tables.size() >= kMostProcesses) x_tables.clear();
  const Table& kept = x_tables[process] = {*std::move(table), now};
  return ::readlinkat(kept.directory.get(), number.data(), link.data(), link.size());
}

OpenOn Onlooker::open_on(uint32_t process, int fd) {
  std::array<char, 1024> link;
  const ssize_t size = read_link(process, fd, link);
  if (size <= 0) return {};
  const std::string_view text(link.data(), static_cast<size_t>(size));
  OpenOn on;
  on.known = true;
  constexpr std::string_view kSocket = "socket:[";
  if (!text.starts_with(kSocket)) {
    on.kind = kind_of_link(text);
    if (text.starts_with('/')) on.name = text;
    return on;
  }
  on.socket = true;
  std::from_chars(text.data() + kSocket.size(), text.data() + text.size(), on.inode);
  return on;
}

OpenOn Onlooker::listener(uint32_t process, int fd) {
  constexpr Duration kFresh = std::chrono::milliseconds(100);
  const Instant now = monotonic_now();
  if (process != x_listening || fd != x_listener_fd || now - x_listener_read > kFresh) {
    x_listener = open_on(process, fd);
    x_listening = process;
    x_listener_fd = fd;
    x_listener_read = now;
  }
  return x_listener;
}

std::optional<std::vector<int>> Onlooker::closing_on_exec(uint32_t process) {
  constexpr size_t kMost = 1024;
  const auto identity = ProcFs().identify(static_cast<pid_t>(process));
  const auto table = identity ? DescriptorTable::open(*identity) : identity.error();
  if (!table || table->expected() > kMost) return std::nullopt;
  const auto part = table->read(STDERR_FILENO + 1, DescriptorTable::kEnd,
                                DescriptorTable::Names::kSkip);
  if (!part || part->descriptors.size() > kMost) return std::nullopt;
  std::vector<int> closing;
  for (const ListedDescriptor& one : part->descriptors) {
    if (table->closes_on_exec(one.fd).value_or(true)) closing.push_back(one.fd);
  }
  return closing;
}

std::optional<StackCopy> Onlooker::position(uint32_t id) {
  const Thread* found = thread(id);
  if (found == nullptr || !found->position.valid()) return std::nullopt;
  std::array<char, 256> text{};
  const ssize_t size = ::pread(found->position.get(), text.data(), text.size(), 0);
  const auto where = size > 0 ? sp_and_pc({text.data(), static_cast<size_t>(size)}) : std::nullopt;
  if (!where || where->first > UINT64_MAX - kMostStackCopy) return std::nullopt;
  return StackCopy{where->second, where->first, {}};
}

bool Onlooker::apart(uint32_t process, uint32_t thread) {
  const auto found = x_apart.find(thread);
  if (found == x_apart.end()) return false;
  const long order = ::syscall(SYS_kcmp, process, thread, KCMP_FILES, 0, 0);
  if (order == 0) x_apart.erase(found);  // another thread has the number now, or it was refused
  return order != 0;
}

bool Onlooker::changes_table(uint32_t id) {
  const Thread* found = thread(id);
  if (found == nullptr || !found->position.valid()) return false;
  std::array<char, 16> text{};
  const ssize_t size = ::pread(found->position.get(), text.data(), text.size(), 0);
  if (size <= 0) return false;  // it has ended
  int number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + size, number);
  if (parsed.ec != std::errc()) return true;  // it runs
  const CallKind kind = kind_of_call(number);
  return number >= 0 && (kind == CallKind::kOpens || kind == CallKind::kCopies ||
                         kind == CallKind::kCloses || kind == CallKind::kClears);
}

size_t Onlooker::copy(uint32_t process, uint64_t from, std::span<uint8_t> into) const {
  return read_memory(process, from, into.data(), into.size());
}

bool Onlooker::meets_new_code(uint32_t process, uint64_t pc) {
  const auto known = x_code.find(process);
  const auto holds = [pc](const auto& range) { return pc >= range.first && pc < range.second; };
  if (known != x_code.end() && std::any_of(known->second.begin(), known->second.end(), holds)) {
    return false;
  }
  const auto identity = ProcFs().identify(static_cast<pid_t>(process));
  const auto mappings = identity ? ProcFs().mappings(*identity) : identity.error();
  if (!mappings) return false;
  if (x_code.size() >= kMostProcesses) x_code.clear();
  auto& ranges = x_code[process] = {};
  for (const Mapping& mapping : *mappings) {
    if (mapping.executable) ranges.emplace_back(mapping.start, mapping.end);
  }
  return true;
}

bool Onlooker::takes_descriptors(uint32_t process, uint64_t at) const {
  msghdr message{};
  return read_memory(process, at, &message, sizeof message) == sizeof message &&
         message.msg_controllen >= CMSG_LEN(sizeof(int));
}

void Onlooker::read_path(uint64_t at, Call& call) const {
  std::array<char, 512> bytes;
  const size_t got = read_memory(call.process, at, bytes.data(), bytes.size());
  call.path.assign(bytes.data(), strnlen(bytes.data(), got));
}

void Onlooker::read_address(uint64_t at, uint64_t size, Call& call) const {
  sockaddr_storage any{};
  const size_t wanted = std::min<size_t>(size, sizeof any);
  if (wanted < sizeof(sa_family_t) || read_memory(call.process, at, &any, wanted) != wanted) return;
  Endpoint& end = call.peer;
  if (any.ss_family == AF_INET && wanted >= sizeof(sockaddr_in)) {
    sockaddr_in four{};
    std::memcpy(&four, &any, sizeof four);
    end.port = ntohs(four.sin_port);
    std::memcpy(end.address.data(), &four.sin_addr, sizeof four.sin_addr);
  } else if (any.ss_family == AF_INET6 && wanted >= sizeof(sockaddr_in6)) {
    sockaddr_in6 six{};
    std::memcpy(&six, &any, sizeof six);
    end.port = ntohs(six.sin6_port);
    std::memcpy(end.address.data(), &six.sin6_addr, sizeof six.sin6_addr);
  } else if (any.ss_family == AF_UNIX) {
    sockaddr_un local{};
    std::memcpy(&local, &any, std::min(wanted, sizeof local));
    call.peer_name.assign(local.sun_path, strnlen(local.sun_path, sizeof local.sun_path));
  }
  if (end.port != 0) end.family = any.ss_family;
}

}  // namespace unclosed
