// The wire format of protocol buffers: field by field, every access checked. A message that ends in
// the middle of a field is broken: what came before it counts. Views only. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace unclosed {

class WireReader {
 public:
  explicit WireReader(Bytes bytes) : x_bytes(bytes) {}

  // To the next field; false at the end, and where the bytes are damaged.
  bool next() {
    if (x_at >= x_bytes.size() || x_broken) return false;
    x_field_at = x_at;
    const auto tag = varint();
    if (!tag || (*tag >> 3) == 0 || (*tag >> 3) > UINT32_MAX) return fail();
    x_field = static_cast<uint32_t>(*tag >> 3);
    x_packed = false;
    switch (*tag & 7) {
      case 0: {
        const auto value = varint();
        if (!value) return fail();
        x_value = *value;
        return true;
      }
      case 1:
        return fixed(8);
      case 2: {
        const auto size = varint();
        const auto part = size ? slice(x_bytes, x_at, *size) : std::nullopt;
        if (!part) return fail();
        x_part = *part;
        x_packed = true;
        x_at += *size;
        return true;
      }
      case 5:
        return fixed(4);
      default:
        return fail();
    }
  }

  uint32_t field() const { return x_field; }
  uint64_t value() const { return x_packed ? 0 : x_value; }
  Bytes part() const { return x_packed ? x_part : Bytes(); }  // of a message, text or packed list
  // Where the bytes could not be read any more; nullopt: so far they could.
  std::optional<size_t> broken_at() const {
    return x_broken ? std::optional(x_field_at) : std::nullopt;
  }

  // Every number of this field, which is one number or a packed list of them.
  template <class Each>
  void numbers(Each each) const {
    if (!x_packed) return each(x_value);
    WireReader list(x_part);
    while (list.x_at < list.x_bytes.size()) {
      const auto value = list.varint();
      if (!value) return;
      each(*value);
    }
  }

 private:
  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (x_at >= x_bytes.size()) return std::nullopt;
      const auto byte = static_cast<uint8_t>(x_bytes[x_at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  bool fixed(size_t size) {
    if (!slice(x_bytes, x_at, size)) return fail();
    x_value = 0;
    std::memcpy(&x_value, x_bytes.data() + x_at, size);
    x_at += size;
    return true;
  }
  bool fail() {
    x_broken = true;
    return false;
  }

  Bytes x_bytes, x_part;
  size_t x_at = 0, x_field_at = 0;
  uint32_t x_field = 0;
  uint64_t x_value = 0;
  bool x_packed = false, x_broken = false;
};

}  // namespace unclosed
