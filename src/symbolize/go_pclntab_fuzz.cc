#include <cstdint>

#include "symbolize/go_pclntab.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unclosed::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto table = unclosed::GoPclntab::parse(bytes);
  if (!table) return 0;
  for (uint64_t i = 0; i < table->function_count() && i < 64; ++i) {
    const auto function = table->function(i);
    if (!function) continue;
    for (const uint64_t offset : {function->entry, (function->entry + function->end) / 2}) {
      static_cast<void>(table->find(offset));
      static_cast<void>(table->line(*function, offset));
      static_cast<void>(table->file(*function, offset));
      static_cast<void>(table->frame_size(*function, offset));
      const auto tree = table->inline_tree(*function);
      const auto index = table->inline_index(*function, offset);
      if (tree && index) static_cast<void>(table->inlined(bytes, *index));
    }
  }
  return 0;
}
