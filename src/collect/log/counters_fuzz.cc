// Captures of counters: Prometheus text, JSON, and lines of logs.
#include <cstdint>
#include <string_view>

#include "collect/log/counters.h"
#include "collect/log/pool_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(unclosed::looks_like_prometheus(text));
  static_cast<void>(unclosed::read_prometheus(text));
  static_cast<void>(unclosed::read_counters_json(text));
  static_cast<void>(unclosed::pool_in_line(text));
  return 0;
}
