#include "collect/pprof/trace_lines.h"

#include <cstring>

namespace unclosed {
namespace {

constexpr std::string_view kGoroutine = "goroutine ", kCreated = "created by ",
                           kOriginating = "[originating from goroutine ",
                           kInGoroutine = " in goroutine ";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

// Digits at the start of `text`, which it loses; nullopt: none, or too many.
std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t value = 0;
  size_t used = 0;
  while (used < text.size() && is_digit(text[used])) {
    if (used == 19) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(text[used++] - '0');
  }
  if (used == 0) return std::nullopt;
  text.remove_prefix(used);
  return value;
}

bool take(std::string_view& text, std::string_view start) {
  if (!text.starts_with(start)) return false;
  text.remove_prefix(start.size());
  return true;
}

bool drop_end(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

std::string_view without_indent(std::string_view line) {
  const size_t start = line.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view() : line.substr(start);
}

// "+0x1d", "fp=0xc000…", "pc=0x45…": what stands behind a place.
bool is_suffix(std::string_view word) {
  if (word.starts_with("+0x")) return true;
  return word.size() > 5 && word.substr(1, 4) == "p=0x" ? word[0] == 'f' || word[0] == 's'
                                                        : word.starts_with("pc=0x");
}

}  // namespace

std::optional<TraceHeader> trace_header(std::string_view line) {
  if (!take(line, kGoroutine)) return std::nullopt;
  TraceHeader header;
  const auto id = take_number(line);
  if (!id) return std::nullopt;
  header.id = *id;
  const size_t open = line.find('[');
  // Between the number and the bracket: nothing, or gp=…, m=… and mp=… in a crash.
  if (open == std::string_view::npos || open == 0 || line[open - 1] != ' ' || open > 80)
    return std::nullopt;
  line.remove_prefix(open + 1);
  if (!drop_end(line, "]:")) return std::nullopt;
  const size_t labels = line.find(" labels:{");
  if (labels != std::string_view::npos) line = line.substr(0, labels);
  size_t comma = line.find(", ");
  header.state = line.substr(0, comma);
  while (comma != std::string_view::npos) {
    line.remove_prefix(comma + 2);
    comma = line.find(", ");
    std::string_view word = line.substr(0, comma);
    if (word == "locked to thread") {
      header.locked = true;
    } else if (const auto minutes = take_number(word); minutes && word == " minutes") {
      header.wait_minutes = *minutes;
    }
  }
  for (bool more = true; more;) {
    more = drop_end(header.state, " (scan)") || drop_end(header.state, " (durable)");
    if (drop_end(header.state, " (leaked)")) more = header.leaked = true;
  }
  return header;
}

std::string_view trace_function(std::string_view line) {
  if (line.empty() || line.back() != ')') return line;
  const auto* open = static_cast<const char*>(::memrchr(line.data(), '(', line.size()));
  if (open == nullptr || open == line.data()) return line;
  return line.substr(0, static_cast<size_t>(open - line.data()));
}

std::string_view trace_place(std::string_view line) {
  line = without_indent(line);
  // The usual two, from the end: "…:12" and "…:12 +0x1d".
  size_t digits = line.size();
  while (digits > 4 && is_hex(line[digits - 1])) --digits;
  if (digits > 4 && line[digits - 1] == ':') return line;
  if (digits > 4 && line.substr(digits - 4, 4) == " +0x") return line.substr(0, digits - 4);
  for (size_t most = 5; most > 0; --most) {
    const size_t space = line.rfind(' ');
    if (space == std::string_view::npos || !is_suffix(line.substr(space + 1))) break;
    line = line.substr(0, space);
  }
  return line;
}

TracePlace split_place(std::string_view place) {
  const size_t colon = place.rfind(':');
  if (colon == std::string_view::npos) return {place, 0};
  std::string_view digits = place.substr(colon + 1);
  const auto line = take_number(digits);
  if (!line || !digits.empty() || *line > UINT32_MAX) return {place, 0};
  return {place.substr(0, colon), static_cast<uint32_t>(*line)};
}

bool has_place(std::string_view line) {
  const std::string_view place = trace_place(line);
  const TracePlace parts = split_place(place);
  return parts.file.size() < place.size() &&
         parts.file.find_first_of("/.<?") != std::string_view::npos;
}

std::optional<TraceCreator> trace_creator(std::string_view line) {
  if (!take(line, kCreated)) return std::nullopt;
  TraceCreator creator{line, 0};
  size_t digits = line.size();
  while (digits > 0 && is_digit(line[digits - 1])) --digits;
  std::string_view name = line.substr(0, digits), number = line.substr(digits);
  if (number.empty() || !drop_end(name, kInGoroutine)) return creator;
  creator.function = name;
  creator.parent = take_number(number).value_or(0);
  return creator;
}

std::optional<uint64_t> trace_origin(std::string_view line) {
  if (!take(line, kOriginating)) return std::nullopt;
  const auto id = take_number(line);
  return line == "]:" ? id : std::nullopt;
}

TraceLine kind_of_line(std::string_view line) {
  const std::string_view text = without_indent(line);
  if (text.empty()) return TraceLine::kBlank;
  const bool indented = text.size() < line.size();
  if (text == "goroutine running on other thread; stack unavailable")
    return TraceLine::kUnavailable;
  if (!indented) {
    if (text.starts_with(kGoroutine) && trace_header(text)) return TraceLine::kHeader;
    if (text.starts_with(kCreated)) return TraceLine::kCreator;
    if (trace_origin(text)) return TraceLine::kOrigin;
    if (text.starts_with("...") && text.ends_with(" frames elided...")) return TraceLine::kElided;
    const std::string_view name = trace_function(text);
    if (name.size() < text.size() && name.find(' ') == std::string_view::npos)
      return TraceLine::kFunction;
  }
  if (has_place(text) && (indented || trace_place(text).size() < text.size()))
    return TraceLine::kPlace;
  if (indented && text.starts_with("pc=0x")) return TraceLine::kPlace;  // C code without a name
  if (text.starts_with("non-Go function")) return TraceLine::kBareFunction;
  if (!indented && text.find_first_of(" :=") == std::string_view::npos)
    return TraceLine::kBareFunction;
  return TraceLine::kOther;
}

}  // namespace unclosed
