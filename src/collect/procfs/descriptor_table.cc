#include "collect/procfs/descriptor_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "collect/procfs/place.h"

namespace unclosed {
namespace {

constexpr size_t kUsualLink = 256, kLongestLink = 4096;
constexpr size_t kMostReserved = 1 << 16;
constexpr std::string_view kSocket = "socket:[", kPipe = "pipe:[", kAnonymous = "anon_inode:";

// linux_dirent64: inode, and the place of what follows, of 8 bytes each, then these two; the name
// follows them.
constexpr size_t kPlaceAt = 8, kLengthAt = 16, kNameAt = 19;
constexpr off_t kFirstPlace = 2;  // of number 0, behind "." and ".."

// The numbers that a directory of descriptors lists, from any number on. It takes the kernel about
// a third as long to list a number as to tell what it is open on, so only gaps are worth it.
class NumberLister {
 public:
  explicit NumberLister(int directory) : x_directory(directory) {}

  // The next few at `first` or behind it, ascending; none: there are no more.
  Result<std::vector<int>> from(int first) {
    if (!x_open.valid()) {
      auto open = Fd::open_at(x_directory, ".", O_RDONLY | O_DIRECTORY);
      if (!open) return open.error();
      x_open = *std::move(open);
    }
    // Nothing says that places are numbers; where they are not, all is listed from the beginning.
    if (x_by_number && ::lseek(x_open.get(), kFirstPlace + first, SEEK_SET) >= 0) {
      auto some = batch();
      if (!some || x_by_number) return some;
    }
    ::lseek(x_open.get(), 0, SEEK_SET);
    std::vector<int> all;
    for (;;) {
      const auto some = batch();
      if (!some) return some;
      if (some->empty()) break;
      all.insert(all.end(), some->begin(), some->end());
    }
    std::sort(all.begin(), all.end());
    all.erase(all.begin(), std::lower_bound(all.begin(), all.end(), first));
    return all;
  }

 private:
  // By the bare system call: readdir's buffer is larger, and what it reads ahead is for nothing.
  Result<std::vector<int>> batch() {
    std::vector<int> numbers;
    std::array<char, 4096> buffer;
    while (numbers.empty()) {
      const long got = retry_eintr(
          [&] { return ::syscall(SYS_getdents64, x_open.get(), buffer.data(), buffer.size()); });
      if (got < 0) return system_error(errno, "fd");
      if (got == 0) break;
      int64_t place = 0;  // as the entry before says
      for (long at = 0; at < got;) {
        const char* entry = buffer.data() + at;
        uint16_t length = 0;
        std::memcpy(&length, entry + kLengthAt, sizeof length);
        if (const auto value = number<int>(entry + kNameAt)) {
          numbers.push_back(*value);
          if (place != 0 && place != kFirstPlace + *value) x_by_number = false;
        }
        std::memcpy(&place, entry + kPlaceAt, sizeof place);
        at += length;
      }
    }
    return numbers;
  }

  int x_directory;
  Fd x_open;  // of our own, as threads that read other parts are at other places
  bool x_by_number = true;
};

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

Result<DescriptorTable> DescriptorTable::open(const ProcessId& process, std::string root) {
  const auto place = open_process(root, process);
  if (!place) return place.error();
  auto directory = Fd::open_at(place->directory.get(), "fd", O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  DescriptorTable table(*std::move(directory), fmt::format("{}/{}/fd", root, process.pid));
  struct stat status {};
  if (::fstat(table.x_directory.get(), &status) == 0 && status.st_size > 0) {
    table.x_expected = static_cast<size_t>(status.st_size);
  }
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

// The same by number alone.
Result<bool> DescriptorTable::put(int fd, Names names, Part& part) const {
  char name[16];
  *std::to_chars(name, name + sizeof name - 1, fd).ptr = '\0';
  std::array<char, kUsualLink> text;
  const auto got = ::readlinkat(x_directory.get(), name, text.data(), text.size());
  if (got < 0) {
    if (errno == ENOENT) return false;
    return system_error(errno, "fd");
  }
  if (static_cast<size_t>(got) < text.size()) {
    return put(fd, {text.data(), static_cast<size_t>(got)}, names, part);
  }
  const auto whole = link(fd);
  if (!whole) return whole.error();
  return *whole && put(fd, **whole, names, part);
}

// Numbers are dense, as a rule: the next one is tried, and asked for only where there is none.
Result<DescriptorTable::Part> DescriptorTable::read(int first, int last, Names names) const {
  Part part;
  part.descriptors.reserve(
      std::min({x_expected, static_cast<size_t>(last - first), kMostReserved}));
  NumberLister lister(x_directory.get());
  for (int next = first; next < last;) {
    const auto there = put(next, names, part);
    if (!there) return there.error();
    ++next;
    if (*there) continue;
    const auto behind = lister.from(next);
    if (!behind) return behind.error();
    if (behind->empty()) break;
    for (const int fd : *behind) {
      next = fd;
      if (fd >= last) break;
      const auto put_it = put(fd, names, part);
      if (!put_it) return put_it.error();
      ++next;
    }
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

std::optional<bool> DescriptorTable::closes_on_exec(int fd) const {
  const auto text = read_at(x_directory.get(), fmt::format("../fdinfo/{}", fd).c_str());
  constexpr std::string_view kFlags = "flags:\t";
  const auto at = text ? text->find(kFlags) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  const auto from = at + kFlags.size();
  const auto flags =
      number<uint32_t>(std::string_view(*text).substr(from, text->find('\n', from) - from), 8);
  if (!flags) return std::nullopt;
  return (*flags & O_CLOEXEC) != 0;
}

std::optional<std::string> DescriptorTable::protocol(int fd) const {
  std::array<char, 64> text{};
  const auto got = ::getxattr(fmt::format("{}/{}", x_path, fd).c_str(), "system.sockprotoname",
                              text.data(), text.size());
  if (got <= 0) return std::nullopt;
  return std::string(text.data(), ::strnlen(text.data(), static_cast<size_t>(got)));
}

}  // namespace unclosed
