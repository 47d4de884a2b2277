// All that reads a log: prefixes, JSON lines, dumps, Java's stacks, words, counters. Fed in pieces,
// whose borders must not matter.
#include <cstdint>
#include <string_view>

#include "collect/log/log_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  unclosed::LogReader reader("fuzz");
  const size_t half = size / 2;
  reader.feed(text.substr(0, half));
  reader.feed(text.substr(half));
  static_cast<void>(reader.finish());
  return 0;
}
