#include "collect/bpf/blind_spots.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

#include "base/fd.h"

namespace unclosed {

bool is_32_bit(const ProcessId& process) {
  const auto exe = Fd::open(fmt::format("/proc/{}/exe", process.pid), O_RDONLY);
  unsigned char ident[EI_NIDENT] = {};
  return exe && ::pread(exe->get(), ident, sizeof ident, 0) == sizeof ident &&
         ident[EI_CLASS] == ELFCLASS32;
}

// "UserFiles:" and the size of the table, then a line "NUMBER: PATH" for each place that is taken;
// older kernels have a line "NUMBER: <none>" for each that is not.
uint64_t direct_descriptors(const Descriptor& descriptor) {
  const auto info =
      read_file(fmt::format("/proc/{}/fdinfo/{}", descriptor.process.pid, descriptor.fd));
  if (!info) return 0;
  constexpr std::string_view kTitle = "UserFiles:";
  const size_t title = info->find(kTitle);
  if (title == std::string::npos) return 0;
  uint64_t taken = 0;
  std::string_view rest = std::string_view(*info).substr(title);
  for (;;) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return taken;
    rest.remove_prefix(end + 1);
    const size_t number = rest.find_first_not_of(' ');
    if (number == std::string_view::npos || rest[number] < '0' || rest[number] > '9') return taken;
    if (rest.substr(0, rest.find('\n')).find("<none>") == std::string_view::npos) ++taken;
  }
}

}  // namespace unclosed
