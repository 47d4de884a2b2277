#include <cstdint>
#include <string>

#include "collect/pprof/remote.h"
#include "collect/pprof/saved_profile.h"

// Whatever a file or a server may hold: gzip, protobuf, text, a page, and two of them compared.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace unclosed;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(count_on_index(bytes, "goroutine"));
  static_cast<void>(parse_address(bytes));
  auto first = read_profile(ByteSource::of(bytes), "first");
  if (!first) return 0;
  auto second = read_profile(ByteSource::of(bytes), "second");
  static_cast<void>(combine({*std::move(first), *std::move(second)}));
  return 0;
}
