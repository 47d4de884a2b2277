#include <cstdint>

#include "symbolize/eh_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unclosed::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  std::vector<std::vector<uint8_t>> expressions;
  const auto rows = unclosed::unwind_rows({bytes, 0x4000, false}, 0x1000, 0x100000, expressions);
  for (size_t i = 1; i < rows.size(); ++i)
    if (rows[i - 1].pc >= rows[i].pc) __builtin_trap();
  if (!rows.empty() && rows.back().pc > 0x100000) __builtin_trap();
  return 0;
}
