// The descriptors of one process as the links of /proc/PID/fd tell them: number, kind, inode, and
// the path of a file. A link tells of a socket only its inode; what kind it is and how it stands
// are in the kernel's lists of sockets. The parts may be read by several threads at a time.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/listing.h"

namespace unclosed {

class DescriptorTable {
 public:
  // kDenied, kGone: as for any file of the process.
  static Result<DescriptorTable> open(const ProcessId& process, std::string root = "/proc");

  // How many there are, as kernels tell since 6.2; 0: not told.
  size_t expected() const { return x_expected; }

  struct Part {
    std::vector<ListedDescriptor> descriptors;
    std::vector<std::string> names;  // as in ListedProcess
  };
  enum class Names : uint8_t { kSkip, kRead };
  static constexpr int kEnd = std::numeric_limits<int>::max();
  // What the numbers in [first, last) are open on, ascending; kEnd: to the end of the table. Those
  // that are open all the while are told; those opened or closed meanwhile may be.
  Result<Part> read(int first, int last, Names names) const;

  // The link's text, e.g. "socket:[123]" or a path; nullopt: closed meanwhile.
  Result<std::optional<std::string>> link(int fd) const;
  // Whether exec closes it; nullopt: closed meanwhile.
  std::optional<bool> closes_on_exec(int fd) const;
  // The protocol of a socket ("TCP", "UNIX-STREAM", "NETLINK"), also of one in no list of the
  // kernel; nullopt: closed meanwhile, or a kernel that does not tell.
  std::optional<std::string> protocol(int fd) const;

 private:
  DescriptorTable(Fd directory, std::string path)
      : x_directory(std::move(directory)), x_path(std::move(path)) {}
  Result<bool> put(int fd, Names names, Part& part) const;
  bool put(int fd, std::string_view link, Names names, Part& part) const;

  Fd x_directory;
  std::string x_path;  // of the directory
  size_t x_expected = 0;
};

// The kind that a link speaks of; kFile for a path, which may be a fifo too; kOther for a socket.
Kind kind_of_link(std::string_view link);
// The kind of a socket's protocol as the kernel spells it.
Kind kind_of_protocol(std::string_view protocol);

}  // namespace unclosed
