#include "cli/saved_goroutines.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "collect/log/log_reader.h"
#include "collect/pprof/inflate.h"
#include "collect/pprof/saved_profile.h"

namespace unclosed {
namespace {

constexpr size_t kPiece = 1 << 20;

Status feed(const ByteSource& source, LogReader& reader) {
  for (uint64_t at = 0; at < source.size(); at += kPiece) {
    const auto piece = source.text(at, kPiece);
    if (!piece) return piece.error();
    reader.feed(*piece);
  }
  return {};
}

// The goroutines that stand in a log; absent: none.
Result<std::optional<Captured>> in_log(const ByteSource& source, const std::string& name) {
  LogReader reader(name);
  std::optional<uint64_t> damaged_at;
  const auto head = source.text(0, 16);
  if (!head) return head.error();
  if (is_gzip(*head)) {
    const auto inflated = inflate(source);
    if (!inflated) return inflated.error();
    reader.feed(inflated->bytes);
    damaged_at = inflated->damaged_at;
  } else if (const auto fed = feed(source, reader); !fed) {
    return fed.error();
  }
  reader.finish();
  auto dump = reader.dump();
  if (dump) dump->capture.damaged_at = damaged_at;
  return dump;
}

bool begins_with_goroutine(const ByteSource& source) {
  const auto head = source.text(0, 256);
  if (!head) return false;
  const size_t start = head->find_first_not_of(" \t\r\n");
  return start != std::string::npos && head->compare(start, 10, "goroutine ") == 0;
}

bool same(const Captured& a, const Captured& b) {
  return a.capture.goroutines == b.capture.goroutines &&
         a.capture.groups.size() == b.capture.groups.size();
}

}  // namespace

Result<Captured> read_saved(const ByteSource& source, const std::string& name) {
  auto plain = read_profile(source, name);
  const bool may_be_log = plain ? plain->form == "dump" : plain.error().id == "UC-E020";
  // A profile of debug=2 is large and holds nothing else.
  if (!may_be_log || begins_with_goroutine(source)) return plain;
  auto log = in_log(source, name);
  // What reads profiles knows better where a text was cut.
  if (!log || !*log || (plain && same(*plain, **log))) return plain;
  return **std::move(log);
}

}  // namespace unclosed
