#include "symbolize/encoded_pointer.h"

namespace unclosed {

std::optional<uint64_t> encoded_pointer(Cursor& in, uint8_t encoding, uint64_t section_address,
                                        uint64_t cursor_base) {
  // The low four bits are the format, the next three what it counts from.
  const uint64_t at = section_address + cursor_base + in.position();
  uint64_t value = 0;
  switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      value = in.u64();
      break;
    case 0x01:
      value = in.uleb();
      break;
    case 0x02:
      value = in.u16();
      break;
    case 0x03:
      value = in.u32();
      break;
    case 0x09:
      value = static_cast<uint64_t>(in.sleb());
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{static_cast<int16_t>(in.u16())});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{static_cast<int32_t>(in.u32())});
      break;
    default:
      return std::nullopt;
  }
  switch (encoding & 0xf0) {
    case 0x00:
      break;
    case 0x10:
      value += at;
      break;
    default:
      return std::nullopt;  // relative to text, data or a function: not made for x86-64
  }
  if (!in.ok()) return std::nullopt;
  return value;
}

}  // namespace unclosed
