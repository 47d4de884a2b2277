#include <cstdint>
#include <string_view>

#include "symbolize/plain_name.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(unclosed::plain_demangled(text));
  static_cast<void>(unclosed::without_template(text));
  static_cast<void>(unclosed::plain_rust(text));
  static_cast<void>(unclosed::rust_crates(text));
  return 0;
}
