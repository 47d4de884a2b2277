// MappedFile: the bytes of a file, mapped for reading, never copied. The file may be cut short by
// somebody else while it is mapped; the pages that vanish then read as zeros instead of ending the
// program by SIGBUS (a handler, installed at the first mapping, puts an empty page in their place
// and passes every other SIGBUS on). Reading is free for any thread; opening and closing too.
#pragma once

#include <utility>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace unclosed {

class MappedFile {
 public:
  // Maps all of the regular file `fd`; `what` names it in errors. kCorrupt: empty, or no regular
  // file. The mapping stays after `fd` is closed.
  static Result<MappedFile> map(const Fd& fd, const std::string& what);

  MappedFile() = default;
  ~MappedFile() { reset(); }
  MappedFile(MappedFile&& other) noexcept : x_bytes(std::exchange(other.x_bytes, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    if (this != &other) {
      reset();
      x_bytes = std::exchange(other.x_bytes, {});
    }
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  Bytes bytes() const { return x_bytes; }

 private:
  void reset();

  Bytes x_bytes;
};

}  // namespace unclosed
