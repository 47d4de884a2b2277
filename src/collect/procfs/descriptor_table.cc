#include "collect/procfs/descriptor_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "collect/procfs/place.h"

namespace unclosed {
namespace {

constexpr size_t kDirectoryBuffer = 64 << 10;
constexpr size_t kUsualLink = 256, kLongestLink = 4096;
constexpr std::string_view kSocket = "socket:[", kPipe = "pipe:[", kAnonymous = "anon_inode:";

// linux_dirent64: inode and offset of 8 bytes each, then these; the name follows them.
constexpr size_t kLengthAt = 16, kNameAt = 19;

// By the bare system call: readdir's buffer is too small for tables of many thousands.
Result<std::vector<int>> list_numbers(int directory) {
  std::vector<int> numbers;
  std::vector<char> buffer(kDirectoryBuffer);
  for (;;) {
    const long got = retry_eintr(
        [&] { return ::syscall(SYS_getdents64, directory, buffer.data(), buffer.size()); });
    if (got < 0) return system_error(errno, "fd");
    if (got == 0) return numbers;
    for (long at = 0; at < got;) {
      const char* entry = buffer.data() + at;
      uint16_t length = 0;
      std::memcpy(&length, entry + kLengthAt, sizeof length);
      if (const auto value = number<int>(entry + kNameAt)) numbers.push_back(*value);
      at += length;
    }
  }
}

// "socket:[123]", "pipe:[123]"; 0 when the text is none.
uint64_t inode_in(std::string_view link) {
  const size_t open = link.find('[');
  if (open == std::string_view::npos || !link.ends_with(']')) return 0;
  return number<uint64_t>(link.substr(open + 1, link.size() - open - 2)).value_or(0);
}

const std::array kAnonymousKinds = {
    std::pair{std::string_view("[eventfd]"), Kind::kEventfd},
    std::pair{std::string_view("[eventpoll]"), Kind::kEpoll},
    std::pair{std::string_view("[timerfd]"), Kind::kTimerfd},
    std::pair{std::string_view("[signalfd]"), Kind::kSignalfd},
    std::pair{std::string_view("inotify"), Kind::kInotify},
    std::pair{std::string_view("[pidfd]"), Kind::kPidfd},
};

}  // namespace

Kind kind_of_link(std::string_view link) {
  if (link.starts_with('/')) return link.starts_with("/memfd:") ? Kind::kMemfd : Kind::kFile;
  if (link.starts_with(kPipe)) return Kind::kPipe;
  if (link.starts_with("pidfd:[")) return Kind::kPidfd;
  if (!link.starts_with(kAnonymous)) return link.starts_with(kSocket) ? Kind::kOther : Kind::kFile;
  link.remove_prefix(kAnonymous.size());
  for (const auto& [name, kind] : kAnonymousKinds) {
    if (link == name) return kind;
  }
  return Kind::kOther;
}

Kind kind_of_protocol(std::string_view protocol) {
  if (protocol == "TCP" || protocol == "TCPv6") return Kind::kTcp;
  if (protocol == "UDP" || protocol == "UDPv6") return Kind::kUdp;
  if (protocol.starts_with("UNIX")) return Kind::kUnix;
  return protocol == "NETLINK" ? Kind::kNetlink : Kind::kOther;
}

Result<DescriptorTable> DescriptorTable::open_unlisted(const ProcessId& process, std::string root) {
  const auto place = open_process(root, process);
  if (!place) return place.error();
  auto directory = Fd::open_at(place->directory.get(), "fd", O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  return DescriptorTable(*std::move(directory), fmt::format("{}/{}/fd", root, process.pid), {});
}

Result<DescriptorTable> DescriptorTable::open(const ProcessId& process, std::string root) {
  auto table = open_unlisted(process, std::move(root));
  if (!table) return table;
  auto numbers = list_numbers(table->x_directory.get());
  if (!numbers) return numbers.error();
  table->x_numbers = *std::move(numbers);
  return table;
}

// False when it was closed meanwhile.
bool DescriptorTable::put(int fd, std::string_view link, Names names, Part& part) const {
  ListedDescriptor one;
  one.fd = fd;
  one.socket = link.starts_with(kSocket);
  one.kind = kind_of_link(link);
  one.inode = inode_in(link);
  if (one.kind == Kind::kFile) {
    // Nothing is asked of a file server: one that does not answer would hold us too.
    struct statx status {};
    if (::statx(x_directory.get(), fmt::format_int(fd).c_str(), AT_STATX_DONT_SYNC,
                STATX_TYPE | STATX_INO, &status) != 0) {
      if (errno == ENOENT) return false;
    } else {
      one.inode = status.stx_ino;
      if (S_ISFIFO(status.stx_mode)) one.kind = Kind::kFifo;
    }
  }
  const bool named = one.kind == Kind::kFile || one.kind == Kind::kFifo ||
                     one.kind == Kind::kMemfd || (one.kind == Kind::kOther && !one.socket);
  if (named && names == Names::kRead) {
    part.names.emplace_back(link);
    one.name = static_cast<uint32_t>(part.names.size());
  }
  part.descriptors.push_back(one);
  return true;
}

Result<DescriptorTable::Part> DescriptorTable::read(size_t first, size_t last, Names names) const {
  Part part;
  part.descriptors.reserve(last - first);
  std::array<char, kUsualLink> text;
  for (size_t i = first; i < last; ++i) {
    const int fd = x_numbers[i];
    char name[16];
    *std::to_chars(name, name + sizeof name - 1, fd).ptr = '\0';
    const auto got = ::readlinkat(x_directory.get(), name, text.data(), text.size());
    if (got < 0) {
      if (errno == ENOENT) continue;  // closed meanwhile
      return system_error(errno, "fd");
    }
    if (static_cast<size_t>(got) < text.size()) {
      put(fd, {text.data(), static_cast<size_t>(got)}, names, part);
      continue;
    }
    const auto whole = link(fd);
    if (!whole) return whole.error();
    if (*whole) put(fd, **whole, names, part);
  }
  return part;
}

Result<std::optional<std::string>> DescriptorTable::link(int fd) const {
  std::string text(kLongestLink, '\0');
  const auto got =
      ::readlinkat(x_directory.get(), fmt::format_int(fd).c_str(), text.data(), text.size());
  if (got < 0) {
    if (errno == ENOENT) return std::nullopt;
    return system_error(errno, "fd");
  }
  text.resize(static_cast<size_t>(got));
  return text;
}

std::optional<std::string> DescriptorTable::protocol(int fd) const {
  std::array<char, 64> text{};
  const auto got = ::getxattr(fmt::format("{}/{}", x_path, fd).c_str(), "system.sockprotoname",
                              text.data(), text.size());
  if (got <= 0) return std::nullopt;
  return std::string(text.data(), ::strnlen(text.data(), static_cast<size_t>(got)));
}

}  // namespace unclosed
