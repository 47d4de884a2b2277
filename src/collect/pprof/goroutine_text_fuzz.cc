#include <cstdint>
#include <string>

#include "base/check.h"
#include "collect/pprof/goroutine_text.h"
#include "collect/pprof/trace_reader.h"

// A dump in small pieces and in one, and the same text line by line, as a log gives it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace unclosed;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto source = ByteSource::of(text);
  const auto texts = [&](uint64_t offset, size_t bytes) -> std::optional<std::string> {
    CHECK(offset <= text.size());
    return text.substr(offset, bytes);
  };
  const auto whole = read_goroutine_text(source, {.piece = size + 1, .threads = 1});
  const auto pieces = read_goroutine_text(source, {.piece = 1 + size / 7, .threads = 1});
  CHECK(whole && pieces);
  CHECK(whole->table.goroutines() == pieces->table.goroutines());
  CHECK(whole->damaged_at.has_value() == pieces->damaged_at.has_value());
  const auto groups = whole->table.groups(texts);
  CHECK(groups.counts == pieces->table.groups(texts).counts);
  uint64_t counted = groups.others;
  for (const GoroutineGroup& group : groups.groups) counted += group.count;
  CHECK(counted == whole->table.goroutines());
  TraceReader reader;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    reader.line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  reader.finish();
  CHECK(reader.groups().groups.size() <= reader.read());
  return 0;
}
