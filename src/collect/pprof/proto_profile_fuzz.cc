#include <cstdint>

#include "collect/pprof/proto_profile.h"

// Protobuf without its gzip, which hides it from a fuzzer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unclosed::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  static_cast<void>(unclosed::read_proto_profile(bytes));
  return 0;
}
