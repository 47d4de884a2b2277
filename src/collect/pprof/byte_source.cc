#include "collect/pprof/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace unclosed {

Result<ByteSource> ByteSource::open(const std::string& path, size_t cap) {
  Fd file;
  if (path == "-") {
    const int copy = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return system_error(errno, "standard input");
    file = Fd(copy);
  } else {
    auto opened = Fd::open(path, O_RDONLY);
    if (!opened) return opened.error();
    file = *std::move(opened);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_error(errno, path);
  if (S_ISDIR(status.st_mode))
    return Error{ErrorKind::kUsage, path + ": a directory; give the files in it", "UC-E001"};
  ByteSource source;
  source.x_name = path == "-" ? "standard input" : path;
  if (S_ISREG(status.st_mode) && ::lseek(file.get(), 0, SEEK_CUR) == 0) {
    source.x_size = static_cast<uint64_t>(status.st_size);
    source.x_file = std::move(file);
    return source;
  }
  auto bytes = read_all(file.get(), source.x_name, cap);
  if (!bytes) return bytes.error();
  source.x_bytes = *std::move(bytes);
  source.x_size = source.x_bytes.size();
  return source;
}

ByteSource ByteSource::of(std::string bytes) {
  ByteSource source;
  source.x_bytes = std::move(bytes);
  source.x_size = source.x_bytes.size();
  return source;
}

Result<size_t> ByteSource::read(uint64_t offset, std::span<char> into) const {
  if (offset >= x_size) return size_t{0};
  const size_t most = std::min<uint64_t>(into.size(), x_size - offset);
  if (!x_file.valid()) {
    std::memcpy(into.data(), x_bytes.data() + offset, most);
    return most;
  }
  size_t got = 0;
  while (got < most) {
    const auto part = retry_eintr([&] {
      return ::pread(x_file.get(), into.data() + got, most - got, static_cast<off_t>(offset + got));
    });
    if (part < 0) return system_error(errno, "reading " + x_name);
    if (part == 0) break;
    got += static_cast<size_t>(part);
  }
  return got;
}

Result<std::string> ByteSource::text(uint64_t offset, size_t size) const {
  std::string text(offset < x_size ? std::min<uint64_t>(size, x_size - offset) : 0, '\0');
  const auto got = read(offset, text);
  if (!got) return got.error();
  text.resize(*got);
  return text;
}

}  // namespace unclosed
