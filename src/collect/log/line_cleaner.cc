#include "collect/log/line_cleaner.h"

#include <algorithm>
#include <array>
#include <optional>

#include "collect/log/json_line.h"
#include "collect/log/line_prefix.h"

namespace unclosed {
namespace {

constexpr int kMostLayers = 5;              // prefixes and JSON within each other
constexpr size_t kMostStreams = 256;        // further ones share one
constexpr size_t kMostJoined = 256U << 10;  // bytes of a line that a driver cut into parts
constexpr size_t kLongestPrefix = 256;
constexpr std::string_view kOctalTab = "#011";  // as rsyslog writes it

// Text of which the lines are written as escapes, as logfmt, cut JSON and rsyslog have them.
bool holds_escaped_lines(std::string_view text) {
  for (const std::string_view sign :
       {"\\n\\t", "\\ngoroutine ", "\\n\\ngoroutine ", "\\n    at ", "\\n  File ", "#012#011"})
    if (text.find(sign) != std::string_view::npos) return true;
  return false;
}

// Where the value begins in which the lines stand: behind stack=" or "stack":"; 0: it is all of
// them.
size_t value_start(std::string_view text) {
  const auto first = text.substr(0, text.find("\\n"));
  size_t start = 0;
  for (const std::string_view sign : {"=\"", ":\"", ": \""}) {
    const size_t at = first.rfind(sign);
    if (at != std::string_view::npos) start = std::max(start, at + sign.size());
  }
  return start;
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const size_t start = value_start(text);
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == start && i > 0) out += '\n';
    if (text.substr(i, 3) == "#01" && i + 3 < text.size() &&
        (text[i + 3] == '1' || text[i + 3] == '2')) {
      out += text[i + 3] == '1' ? '\t' : '\n';
      i += 3;
      continue;
    }
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
  x_doubtful = false;
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
      x_doubtful |= prefix.doubtful;
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
  if (json.empty() && (holds_escaped_lines(text) || text.starts_with(kOctalTab))) {
    plain = unescaped(text);
    text = plain;
  }
  const uint32_t number = number_of(stream);
  while (true) {
    const size_t end = text.find('\n');
    auto one = text.substr(0, end);
    while (!one.empty() && one.back() == '\r') one.remove_suffix(1);
    x_sink({number, x_number, one, json, x_doubtful});
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
