// Bytes of a saved profile at offsets, from a file or from memory, so that a dump of a gigabyte is
// read in pieces. A file may be cut or grow while it is read: what is there is given. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace unclosed {

class ByteSource {
 public:
  // Opens a file; "-" is standard input. What is no regular file from its beginning is read to its
  // end, at most `cap`.
  static Result<ByteSource> open(const std::string& path, size_t cap = size_t{1} << 30);
  static ByteSource of(std::string bytes);

  uint64_t size() const { return x_size; }
  // Fills `into` from `offset` on; gives how much there was, less only at the end.
  Result<size_t> read(uint64_t offset, std::span<char> into) const;
  // The same as text, of at most `size` bytes.
  Result<std::string> text(uint64_t offset, size_t size) const;

 private:
  ByteSource() = default;

  Fd x_file;
  std::string x_name, x_bytes;
  uint64_t x_size = 0;
};

}  // namespace unclosed
