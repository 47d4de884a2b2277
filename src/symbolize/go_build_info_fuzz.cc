#include <cstdint>
#include <string>

#include "symbolize/go_build_info.h"
#include "symbolize/plain_name.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unclosed::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  static_cast<void>(unclosed::parse_go_build_info(bytes));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(unclosed::go_package(text));
  static_cast<void>(unclosed::go_minor(text));
  return 0;
}
