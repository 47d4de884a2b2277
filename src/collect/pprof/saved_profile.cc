#include "collect/pprof/saved_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "collect/pprof/goroutine_text.h"
#include "collect/pprof/inflate.h"
#include "collect/pprof/proto_profile.h"
#include "collect/pprof/text_profile.h"

namespace unclosed {
namespace {

constexpr size_t kHead = 64 << 10;
constexpr size_t kMostInMemory = size_t{2} << 30;
constexpr uint64_t kPprofStops = 64 << 20;  // where net/http/pprof cuts a dump

bool is_binary(std::string_view head) {
  return std::any_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && c != '\n' && c != '\t' && c != '\r' && c != '\x1b';
  });
}

constexpr std::string_view kWebPage =
    "a web page: the address answered with something else; save "
    ".../debug/pprof/goroutine?debug=2";
constexpr std::string_view kJson =
    "JSON, and no profile; counters and logs are read by `unclosed explain`";
constexpr std::string_view kPlainText =
    "text without goroutines; errors in a log are read by `unclosed explain`";
constexpr std::string_view kMetrics =
    "metrics in Prometheus text, and no profile; `unclosed explain` reads them";

struct Known {
  std::string_view start, what;
};
constexpr std::array kKnown = {
    Known{"\x7f"
          "ELF",
          "a program or a core dump; for a running process give its pid or the URL of its pprof"},
    Known{"go 1.", "an execution trace: `go tool trace` reads it"},
    Known{"go1.7 heap dump", "a heap dump of runtime/debug.WriteHeapDump, which has no stacks"},
    Known{"PK\x03\x04", "a zip archive: unpack it, and give the files in it"},
    Known{"BZh", "compressed by bzip2: unpack it first"},
    Known{"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"},
    Known{"\xfd"
          "7zXZ",
          "compressed by xz: unpack it first"},
    Known{"<!", kWebPage},
    Known{"<h", kWebPage},
    Known{"{", kJson},
    Known{"[{", kJson},
    Known{"# HELP", kMetrics},
    Known{"# TYPE", kMetrics},
    Known{"\xff\xfe", "text in UTF-16: `iconv -f UTF-16 -t UTF-8` makes it readable"},
};

Error no_profile(const std::string& name, std::string_view what) {
  return {ErrorKind::kUnsupported, fmt::format("{}: {}", name, what), "UC-E020"};
}

Error no_profile(const std::string& name, std::string_view head, bool compressed) {
  const std::string_view inside = compressed ? "compressed by gzip; inside, " : "";
  if (head.empty()) return no_profile(name, fmt::format("{}empty", inside));
  for (const Known& known : kKnown)
    if (head.starts_with(known.start))
      return no_profile(name, fmt::format("{}{}", inside, known.what));
  return no_profile(
      name,
      fmt::format("{}{}", inside, is_binary(head) ? "binary data, and no profile" : kPlainText));
}

std::string head_of(std::string_view bytes) {
  std::string head(bytes.substr(0, kHead));
  const size_t start = head.find_first_not_of(" \t\r\n");
  return start == std::string::npos ? std::string() : head.substr(start);
}

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

Result<Captured> read_dump(const ByteSource& source) {
  auto dump = read_goroutine_text(source);
  if (!dump) return dump.error();
  auto found = dump->table.groups([&](uint64_t offset, size_t size) -> std::optional<std::string> {
    auto text = source.text(offset, size);
    if (!text) return std::nullopt;
    return *std::move(text);
  });
  Captured captured;
  captured.name = "goroutine";
  captured.form = "dump";
  GoroutineCapture& capture = captured.capture;
  capture.goroutines = dump->table.goroutines();
  capture.groups = std::move(found.groups);
  capture.others = found.others;
  capture.damaged_at = dump->damaged_at;
  captured.values.reserve(found.counts.size());
  for (const auto& [key, count] : found.counts)
    captured.values.emplace_back(key, static_cast<int64_t>(count));
  if (source.size() == kPprofStops) {
    if (!capture.damaged_at) capture.damaged_at = source.size();
    capture.notes.push_back(
        "the dump ends at 64 MB, where net/http/pprof stops: goroutines behind that are missing; "
        "debug=0 holds them all, without states");
  }
  return captured;
}

// Bytes in memory, inflated where they were compressed.
Result<Captured> read_bytes(std::string bytes, const std::string& name, bool compressed) {
  const std::string head = head_of(bytes);
  Result<Captured> captured = no_profile(name, head, compressed);
  const bool binary = is_binary(std::string_view(bytes).substr(0, 16));
  const bool foreign = head.starts_with(
                           "\x7f"
                           "ELF") ||
                       head.starts_with("PK");
  if (is_text_profile(bytes)) {
    captured = read_text_profile(bytes);
  } else if (binary && !foreign) {
    auto profile = read_proto_profile(bytes_of(bytes));
    if (profile || profile.error().kind != ErrorKind::kCorrupt) captured = std::move(profile);
  }
  // Also where a log begins with the zeros of its rotation.
  if (!captured && !foreign && captured.error().id == "UC-E020") {
    auto dump = read_dump(ByteSource::of(std::move(bytes)));
    if (!dump || dump->capture.goroutines > 0) captured = std::move(dump);
  }
  if (captured || captured.error().context.starts_with(name)) return captured;
  Error error = captured.error();
  error.context = name + ": " + error.context;
  return error;
}

}  // namespace

Result<Captured> read_profile(const ByteSource& source, const std::string& name) {
  const auto head = source.text(0, kHead);
  if (!head) return head.error();
  const bool compressed = is_gzip(*head);
  const bool text = !compressed && !is_text_profile(*head) && !is_binary(head->substr(0, 16));
  Result<Captured> captured = Captured();
  if (text) {  // a dump of gigabytes is never held in memory
    captured = read_dump(source);
    if (captured && captured->capture.goroutines == 0)
      captured = no_profile(name, head_of(*head), false);
  } else {
    if (source.size() > kMostInMemory)
      return Error{ErrorKind::kLimit, name + ": more than 2 GB, and no dump of goroutines",
                   "UC-E012"};
    if (compressed) {
      auto inflated = inflate(source);
      if (!inflated) return inflated.error();
      captured = read_bytes(std::move(inflated->bytes), name, true);
      if (captured && inflated->damaged_at) captured->capture.damaged_at = inflated->damaged_at;
    } else {
      auto bytes = source.text(0, source.size());
      if (!bytes) return bytes.error();
      captured = read_bytes(*std::move(bytes), name, false);
    }
  }
  if (captured) {
    captured->capture.source = name;
    captured->capture.rung = "pprof";
    if (captured->kind == ProfileKind::kContention && captured->values.empty())
      captured->capture.notes.push_back(
          "the profile is empty: it is off until the service calls runtime.SetMutexProfileFraction "
          "or runtime.SetBlockProfileRate");
    if (captured->capture.others > 0)
      captured->capture.notes.push_back(fmt::format(
          "{} goroutines are in none of the groups: there are too many different stacks, and the "
          "largest groups are kept",
          captured->capture.others));
  }
  return captured;
}

}  // namespace unclosed
