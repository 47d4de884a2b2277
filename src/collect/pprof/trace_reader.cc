#include "collect/pprof/trace_reader.h"

namespace unclosed {
namespace {

constexpr size_t kMostText = 256 << 10;  // of one goroutine
constexpr size_t kMostKept = 128 << 20;  // of all kinds
constexpr size_t kMostStrangers = 200;   // lines of others after which a traceback is over

}  // namespace

TraceReader::Took TraceReader::line(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  TraceLine kind = kind_of_line(line);
  // Behind a function stands its place, also where a log has trimmed its lines.
  if (x_wants_place && (kind == TraceLine::kOther || kind == TraceLine::kBareFunction) &&
      has_place(line))
    kind = TraceLine::kPlace;
  if (kind == TraceLine::kHeader) {
    close();
    append(line);
    return Took::kBegin;
  }
  if (!open()) return Took::kNothing;
  if (kind == TraceLine::kBlank) {
    close();
    return Took::kLine;
  }
  const bool bare = kind == TraceLine::kBareFunction && !line.starts_with("non-Go function");
  const bool lone_place = kind == TraceLine::kPlace && !x_wants_place && x_bare.empty();
  if (kind == TraceLine::kOther || bare || lone_place) {
    if (bare) x_bare = line.substr(0, kMostText);  // C code's function, if a place follows
    if (++x_strangers > kMostStrangers) close();
    return Took::kNothing;
  }
  if (kind == TraceLine::kPlace && !x_wants_place) append(x_bare);
  append(line, kind == TraceLine::kPlace ? "\t" : "");
  x_wants_place = kind == TraceLine::kFunction || kind == TraceLine::kCreator ||
                  kind == TraceLine::kBareFunction;
  x_bare.clear();
  x_strangers = 0;
  return Took::kLine;
}

void TraceReader::append(std::string_view line, std::string_view indent) {
  if (x_text.size() + line.size() + 2 > kMostText) return;
  x_text.append(indent).append(line) += '\n';
}

void TraceReader::close() {
  x_strangers = 0;
  x_bare.clear();
  x_wants_place = false;
  if (!open()) return;
  if (const auto facts = scan_trace(x_text)) {
    if (x_table.add(*facts, x_kept.size()) == StackTable::Added::kNew) {
      x_kept_bytes += x_text.size();
      x_kept.push_back(x_kept_bytes > kMostKept ? std::string() : x_text);
    }
  }
  x_last = std::move(x_text);
  x_text.clear();
}

StackTable::Groups TraceReader::groups() const {
  return x_table.groups([this](uint64_t index, size_t) -> std::optional<std::string> {
    if (index >= x_kept.size()) return std::nullopt;
    return x_kept[index];
  });
}

}  // namespace unclosed
