#include "collect/log/line_cleaner.h"

#include <algorithm>
#include <array>
#include <optional>

#include "collect/log/json_line.h"

namespace unclosed {
namespace {

constexpr int kMostLayers = 5;              // prefixes and JSON within each other
constexpr size_t kMostStreams = 256;        // further ones share one
constexpr size_t kMostJoined = 256U << 10;  // bytes of a line that a driver cut into parts
constexpr size_t kLongestPrefix = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(char c) { return is_digit(c) || is_letter(c) || c == '-' || c == '_' || c == '.'; }

// Whether `text` begins as `shape` says: 0 a digit, a a letter, _ a digit or a space, else itself.
bool has_shape(std::string_view text, std::string_view shape) {
  if (text.size() < shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const char c = text[i];
    const bool fits = shape[i] == '0'   ? is_digit(c)
                      : shape[i] == 'a' ? is_letter(c)
                      : shape[i] == '_' ? is_digit(c) || c == ' '
                                        : c == shape[i];
    if (!fits) return false;
  }
  return true;
}

// What was taken from the front: how much, and whose line it says this is.
struct Prefix {
  size_t size = 0;
  std::string_view stream;
  bool partial = false;
};

// "[pod/api-7d9f/api] ", as kubectl logs --prefix writes it.
Prefix kubectl(std::string_view text) {
  if (!text.starts_with("[pod/")) return {};
  const size_t end = text.find(']');
  if (end == std::string_view::npos || end > kLongestPrefix) return {};
  const size_t space = end + 1 < text.size() && text[end + 1] == ' ' ? 1 : 0;
  return {end + 1 + space, text.substr(1, end - 1)};
}

// "api-1  | ", padded to the longest name.
Prefix compose(std::string_view text) {
  size_t name = 0;
  while (name < text.size() && name < kLongestPrefix && is_name(text[name])) ++name;
  size_t bar = name;
  while (bar < text.size() && text[bar] == ' ') ++bar;
  if (name == 0 || bar == name || bar >= text.size() || text[bar] != '|') return {};
  if (bar + 1 < text.size() && text[bar + 1] != ' ') return {};
  const auto word = text.substr(0, name);
  const bool replica =
      name > 2 && is_digit(word.back()) && word.find_last_of("-_") != std::string_view::npos;
  if (bar - name < 2 && !replica) return {};
  return {std::min(bar + 2, text.size()), word};
}

// "svc[123]: " or "kernel: "; the size of the whole.
Prefix identifier(std::string_view text, bool with_pid_only) {
  size_t end = 0;
  while (end < text.size() && end < kLongestPrefix && text[end] != ' ' && text[end] != '[' &&
         text[end] != ':')
    ++end;
  if (end == 0) return {};
  size_t name = end;
  if (end < text.size() && text[end] == '[') {
    name = text.find(']', end);
    if (name == std::string_view::npos || name > kLongestPrefix) return {};
    ++name;
  } else if (with_pid_only) {
    return {};
  }
  if (name >= text.size() || text[name] != ':') return {};
  const size_t space = name + 1 < text.size() && text[name + 1] == ' ' ? 1 : 0;
  if (name + 1 < text.size() && space == 0) return {};
  return {name + 1 + space, text.substr(0, name)};
}

// "host svc[123]: " behind a time.
Prefix host_and_identifier(std::string_view text) {
  const size_t space = text.find(' ');
  if (space == 0 || space == std::string_view::npos || space > kLongestPrefix) return {};
  auto prefix = identifier(text.substr(space + 1), false);
  if (prefix.size > 0) prefix.size += space + 1;
  return prefix;
}

// "Nov 21 03:02:01 host svc[123]: ", as journalctl and syslog write it.
Prefix journal(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (!has_shape(text, "aaa _0 00:00:00") ||
      std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3)) == kMonths.end())
    return {};
  const size_t end = text.find(' ', 15);  // also of a fraction of the second
  if (end == std::string_view::npos || end > 30) return {};
  auto prefix = host_and_identifier(text.substr(end + 1));
  if (prefix.size > 0) prefix.size += end + 1;
  return prefix;
}

// "2026-11-21T03:02:01.123Z " with its zone; 0: none.
size_t timestamp(std::string_view text) {
  if (!has_shape(text, "0000-00-00T00:00:00")) return 0;
  size_t i = 19;
  if (i < text.size() && (text[i] == '.' || text[i] == ',')) {
    for (++i; i < text.size() && is_digit(text[i]);) ++i;
  }
  if (i < text.size() && text[i] == 'Z') {
    ++i;
  } else if (has_shape(text.substr(i), "+00:00") || has_shape(text.substr(i), "-00:00")) {
    i += 6;
  } else if (has_shape(text.substr(i), "+0000") || has_shape(text.substr(i), "-0000")) {
    i += 5;
  } else {
    return 0;
  }
  if (i == text.size()) return i;
  return text[i] == ' ' ? i + 1 : 0;
}

// A time, and what container runtimes ("stdout F "), journalctl -o short-iso ("host svc[1]: ") and
// platforms ("app[web.1]: ") put behind it.
Prefix timed(std::string_view text) {
  const size_t time = timestamp(text);
  if (time == 0) return {};
  const auto rest = text.substr(time);
  for (const std::string_view stream : {"stdout", "stderr"}) {
    if (!rest.starts_with(stream) || rest.size() < 8 || rest[6] != ' ') continue;
    if ((rest[7] == 'F' || rest[7] == 'P') && (rest.size() == 8 || rest[8] == ' '))
      return {time + std::min<size_t>(9, rest.size()), stream, rest[7] == 'P'};
  }
  for (const auto& further : {identifier(rest, true), host_and_identifier(rest)}) {
    // "ERROR svc: x" is no host with an identifier: that has its pid.
    if (further.size > 0 && further.stream.ends_with(']'))
      return {time + further.size, further.stream};
  }
  return {time, {}};
}

Prefix prefix_of(std::string_view text) {
  if (text.empty()) return {};
  if (text.front() == '[') return kubectl(text);
  for (const auto& found : {journal(text), timed(text), compose(text)}) {
    if (found.size > 0) return found;
  }
  return {};
}

// Text of which the lines are written as escapes, as logfmt and cut JSON have them.
bool holds_escaped_lines(std::string_view text) {
  for (const std::string_view sign :
       {"\\n\\t", "\\ngoroutine ", "\\n\\ngoroutine ", "\\n    at ", "\\n  File "})
    if (text.find(sign) != std::string_view::npos) return true;
  return false;
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'n')
      out += '\n';
    else if (c == 't')
      out += '\t';
    else if (c == '"' || c == '\\' || c == '/')
      out += c;
    else if (c != 'r')
      out.append({'\\', c});
  }
  return out;
}

}  // namespace

std::string without_colours(std::string_view text) {
  static constexpr std::string_view kOctal = "#033[";  // as syslog daemons write an escape
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    const bool octal = text.substr(i, kOctal.size()) == kOctal;
    if (text[i] != '\x1b' && !octal) {
      out += text[i++];
      continue;
    }
    i += octal ? kOctal.size() - 1 : 1;
    if (i >= text.size()) break;
    const char kind = text[i++];
    if (kind == '[') {
      while (i < text.size() && (text[i] < 0x40 || text[i] > 0x7e)) ++i;
      ++i;
    } else if (kind == ']') {
      while (i < text.size() && text[i] != '\a' && text[i] != '\x1b') ++i;
      if (i < text.size()) i += text[i] == '\x1b' ? 2 : 1;
    }
  }
  return out;
}

const std::string& LineCleaner::name_of(uint32_t stream) const {
  static const std::string none;
  for (const auto& [name, number] : x_streams) {
    if (number == stream) return name;
  }
  return none;
}

uint32_t LineCleaner::number_of(const std::string& stream) {
  if (stream.empty()) return 0;
  const auto found = x_streams.find(stream);
  if (found != x_streams.end()) return found->second;
  if (x_streams.size() >= kMostStreams) {
    x_too_many = true;
    return kMostStreams + 1;
  }
  const auto number = static_cast<uint32_t>(x_streams.size() + 1);
  x_streams.emplace(stream, number);
  return number;
}

void LineCleaner::line(std::string_view raw, uint64_t number) {
  x_number = number;
  while (!raw.empty() && raw.back() == '\r') raw.remove_suffix(1);
  const bool coloured =
      raw.find('\x1b') != std::string_view::npos || raw.find("#033[") != std::string_view::npos;
  if (coloured) {
    clean(without_colours(raw), "", {}, 0);
  } else {
    clean(raw, "", {}, 0);
  }
}

void LineCleaner::clean(std::string_view text, const std::string& stream, std::string_view json,
                        int depth) {
  if (depth < kMostLayers) {
    if (const auto prefix = prefix_of(text); prefix.size > 0) {
      std::string inner = stream;
      if (!prefix.stream.empty()) inner.append(inner.empty() ? "" : " ").append(prefix.stream);
      const auto rest = text.substr(prefix.size);
      if (prefix.partial) return hold(rest, inner);
      return clean(whole_of(rest, inner), inner, json, depth + 1);
    }
    const size_t start = text.find_first_not_of(' ');
    if (start != std::string_view::npos && text[start] == '{') {
      if (const auto line = read_json_line(text.substr(start))) {
        const std::string inner = line->stream.empty() ? stream
                                                       : stream + (stream.empty() ? "" : " ") +
                                                             line->stream.substr(0, kLongestPrefix);
        if (line->partial) return hold(line->text, inner);
        std::string plain = whole_of(without_colours(line->text), inner);
        // A driver's JSON around the service's own line.
        if (!plain.empty() && plain.find('\n') == plain.size() - 1) {
          plain.pop_back();
          return clean(plain, inner, text.substr(start), depth + 1);
        }
        return give(plain, inner, text.substr(start));
      }
    }
  }
  give(text, stream, json);
}

void LineCleaner::hold(std::string_view text, const std::string& stream) {
  if (x_begun.size() >= kMostStreams && !x_begun.contains(stream)) return give(text, stream, {});
  auto& begun = x_begun[stream];
  if (begun.size() + text.size() <= kMostJoined) begun += text;
}

std::string LineCleaner::whole_of(std::string_view last, const std::string& stream) {
  const auto begun = x_begun.find(stream);
  if (begun == x_begun.end()) return std::string(last);
  std::string whole = std::move(begun->second);
  x_begun.erase(begun);
  return whole.append(last);
}

void LineCleaner::give(std::string_view text, const std::string& stream, std::string_view json) {
  std::string plain;
  if (json.empty() && holds_escaped_lines(text)) {
    plain = unescaped(text);
    text = plain;
  }
  const uint32_t number = number_of(stream);
  while (true) {
    const size_t end = text.find('\n');
    auto one = text.substr(0, end);
    while (!one.empty() && one.back() == '\r') one.remove_suffix(1);
    x_sink({number, x_number, one, json});
    json = {};
    if (end == std::string_view::npos || end + 1 == text.size()) break;
    text.remove_prefix(end + 1);
  }
}

void LineCleaner::finish() {
  while (!x_begun.empty()) {
    const std::string stream = x_begun.begin()->first;
    give(whole_of("", stream), stream, {});
  }
}

}  // namespace unclosed
