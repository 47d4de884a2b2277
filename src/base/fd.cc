#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace unclosed {

Result<Fd> Fd::open(const std::string& path, int flags, mode_t mode) {
  const int fd = retry_eintr([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) return system_error(errno, path);
  return Fd(fd);
}

Result<Fd> Fd::open_at(int directory, const std::string& path, int flags) {
  const int fd = retry_eintr([&] { return ::openat(directory, path.c_str(), flags | O_CLOEXEC); });
  if (fd < 0) return system_error(errno, path);
  return Fd(fd);
}

void Fd::reset() {
  // Linux frees the number even when close(2) answers EINTR, so a second try would close somebody
  // else's.
  if (x_fd >= 0) ::close(x_fd);
  x_fd = -1;
}

Result<std::string> read_file(const std::string& path, size_t cap) {
  auto fd = Fd::open(path, O_RDONLY);
  if (!fd) return fd.error();
  return read_all(fd->get(), path, cap);
}

Result<std::string> read_all(int fd, const std::string& what, size_t cap) {
  std::string bytes;
  size_t used = 0;
  for (;;) {
    if (bytes.size() - used < 4096)
      bytes.resize(bytes.size() + (bytes.empty() ? 16384 : bytes.size()));
    const ssize_t got =
        retry_eintr([&] { return ::read(fd, bytes.data() + used, bytes.size() - used); });
    if (got < 0) return system_error(errno, what);
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (used > cap)
      return Error{ErrorKind::kLimit, what + ": larger than " + std::to_string(cap) + " bytes", {}};
  }
  bytes.resize(used);
  return bytes;
}

Status write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = retry_eintr([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (put < 0) return system_error(errno, "write");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

}  // namespace unclosed
