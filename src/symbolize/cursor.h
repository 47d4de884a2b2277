// Cursor: reads numbers one after another from bytes that somebody else wrote. A read past the end
// gives 0 and makes the cursor fail for good, so that a parser may check once at the end of a
// record instead of after each field. A view: the bytes must outlive it. One thread at a time.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace unclosed {

class Cursor {
 public:
  explicit Cursor(Bytes bytes) : x_bytes(bytes) {}

  bool ok() const { return !x_failed; }
  bool at_end() const { return x_failed || x_position >= x_bytes.size(); }
  uint64_t position() const { return x_position; }
  uint64_t left() const { return x_failed ? 0 : x_bytes.size() - x_position; }

  uint8_t u8() { return number<uint8_t>(); }
  uint16_t u16() { return number<uint16_t>(); }
  uint32_t u32() { return number<uint32_t>(); }
  uint64_t u64() { return number<uint64_t>(); }

  // LEB128; bits beyond 64 are dropped, as every reader of DWARF does.
  uint64_t uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint8_t byte = u8();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }
  int64_t sleb() {
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
      const uint8_t byte = u8();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if (shift < 64 && (byte & 0x40) != 0) value |= ~uint64_t{0} << shift;
      return static_cast<int64_t>(value);
    }
  }

  Bytes take(uint64_t count) {
    const auto part = slice(x_bytes, x_position, x_failed ? UINT64_MAX : count);
    if (!part) {
      x_failed = true;
      return {};
    }
    x_position += count;
    return *part;
  }
  void skip(uint64_t count) { static_cast<void>(take(count)); }

 private:
  template <class T>
  T number() {
    T value{};
    if (x_failed || sizeof(T) > x_bytes.size() - x_position) {
      x_failed = true;
      return value;
    }
    std::memcpy(&value, x_bytes.data() + x_position, sizeof(T));
    x_position += sizeof(T);
    return value;
  }

  Bytes x_bytes;
  uint64_t x_position = 0;
  bool x_failed = false;
};

}  // namespace unclosed
