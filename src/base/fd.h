// Fd: the one owner of a descriptor of our own. Opens close-on-exec, retries EINTR, closes once.
// Move-only; a moved-from Fd owns nothing. One thread at a time.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace unclosed {

class Fd {
 public:
  Fd() = default;
  // Takes over a descriptor that the caller owns.
  explicit Fd(int owned) : x_fd(owned) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : x_fd(std::exchange(other.x_fd, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      x_fd = std::exchange(other.x_fd, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  // open(2) with O_CLOEXEC added; the error quotes the path.
  static Result<Fd> open(const std::string& path, int flags, mode_t mode = 0644);
  // openat(2) below `directory`, with O_CLOEXEC added.
  static Result<Fd> open_at(int directory, const std::string& path, int flags);

  int get() const { return x_fd; }
  bool valid() const { return x_fd >= 0; }
  void reset();

 private:
  int x_fd = -1;
};

// Repeats `call` while it answers -1 with EINTR.
template <class Call>
auto retry_eintr(Call call) {
  for (;;) {
    const auto answer = call();
    if (answer != -1 || errno != EINTR) return answer;
  }
}

// Everything that `path` holds, at most `cap` bytes; kLimit when there is more. For /proc and small
// files.
Result<std::string> read_file(const std::string& path, size_t cap = 64UL << 20);
// Everything from the current position of `fd`, at most `cap` bytes; `what` names it in the error.
Result<std::string> read_all(int fd, const std::string& what, size_t cap = 64UL << 20);
// Writes all of `bytes`, or says why not.
Status write_all(int fd, std::span<const std::byte> bytes);

}  // namespace unclosed
