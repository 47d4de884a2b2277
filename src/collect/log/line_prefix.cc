#include "collect/log/line_prefix.h"

#include <algorithm>
#include <array>

#include "collect/log/go_dump.h"
#include "collect/pprof/trace_lines.h"

namespace unclosed {
namespace {

constexpr size_t kLongestPrefix = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(char c) {
  return is_digit(c) || is_letter(c) || c == '-' || c == '_' || c == '.' || c == '@';
}

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

// "[pod/api-7d9f/api] ", as kubectl logs --prefix writes it.
Prefix kubectl(std::string_view text) {
  if (!text.starts_with("[pod/")) return {};
  const size_t end = text.find(']');
  if (end == std::string_view::npos || end > kLongestPrefix) return {};
  const size_t space = end + 1 < text.size() && text[end + 1] == ' ' ? 1 : 0;
  return {end + 1 + space, text.substr(1, end - 1)};
}

// "api-1  | ", padded to the longest name; of a swarm "api.1.x7k2@node1    | ".
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
  return text[i] == ' ' || text[i] == '\t' ? i + 1 : 0;
}

// "Mon 2026-11-21 03:02:01 UTC ", "1763694121.123456 " and "[  123.456789] ", as journalctl has
// them by choice (-o short-full, short-unix, short-monotonic); 0: none.
size_t journal_time(std::string_view text) {
  constexpr std::string_view kFull = "aaa 0000-00-00 00:00:00 ", kUnix = "0000000000.000000 ";
  if (has_shape(text, kFull)) {
    const size_t zone = text.find(' ', kFull.size());
    return zone == std::string_view::npos || zone - kFull.size() > 6 ? 0 : zone + 1;
  }
  if (has_shape(text, kUnix)) return kUnix.size();
  if (!text.starts_with('[')) return 0;
  const size_t end = text.find("] ");
  if (end == std::string_view::npos || end > 20) return 0;
  const auto number = text.substr(1, end - 1);
  return number.find_first_not_of(" .0123456789") == std::string_view::npos ? end + 2 : 0;
}

Prefix journal_by_choice(std::string_view text) {
  const size_t time = journal_time(text);
  if (time == 0) return {};
  auto prefix = host_and_identifier(text.substr(time));
  if (prefix.stream.ends_with(']')) return {time + prefix.size, prefix.stream};
  return {};
}

// The part up to the next space, which `text` loses with it.
std::string_view take_word(std::string_view& text) {
  const auto word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

// "<11>", and the header of RFC 5424 behind it: "1 2026-11-21T03:02:01Z host svc 123 - - ".
Prefix syslog_priority(std::string_view text) {
  const size_t end = text.find('>');
  if (end < 2 || end > 4) return {};
  const auto level = text.substr(1, end - 1);
  if (!std::all_of(level.begin(), level.end(), is_digit)) return {};
  auto rest = text.substr(end + 1);
  if (!rest.starts_with("1 ")) return {end + 1, {}};
  rest.remove_prefix(2);
  take_word(rest);  // the time
  const auto* const host = rest.data();
  for (int words = 0; words < 4; ++words) take_word(rest);
  const std::string_view writer(host, static_cast<size_t>(rest.data() - host));
  if (rest.starts_with('[')) {
    const size_t data = rest.find("] ");
    rest.remove_prefix(data == std::string_view::npos ? rest.size() : data + 2);
  } else {
    take_word(rest);  // no structured data
  }
  return {text.size() - rest.size(), writer};
}

// "checkout-7d9f8b6c5d-x2v4q": a name, a hash of the template, and one of the pod.
bool is_pod(std::string_view name) {
  const size_t hash = name.rfind('-');
  if (hash == std::string_view::npos || name.size() - hash != 6) return false;
  const size_t set = name.rfind('-', hash - 1);
  if (set == std::string_view::npos || hash - set < 9 || hash - set > 11) return false;
  const auto odd = [](char c) { return !is_digit(c) && (c < 'a' || c > 'z') && c != '-'; };
  if (std::any_of(name.begin(), name.end(), odd)) return false;
  return std::any_of(name.begin() + static_cast<int>(set), name.end(), is_digit);
}

// "checkout-7d9f8b6c5d-x2v4q app ", as stern writes it.
Prefix stern(std::string_view text) {
  auto rest = text;
  const auto pod = take_word(rest);
  if (!is_pod(pod)) return {};
  const auto container = take_word(rest);
  if (container.empty() || !std::all_of(container.begin(), container.end(), is_name)) return {};
  return {text.size() - rest.size(), pod};
}

// "[checkout-7d9f8b6c5d-x2v4q app] " of kubetail, and the time in brackets of Jenkins.
Prefix in_brackets(std::string_view text) {
  const size_t end = text.find(']');
  if (end == std::string_view::npos || end > kLongestPrefix) return {};
  auto inside = text.substr(1, end - 1);
  const size_t size = std::min(text.size(), end + 2);
  if (timestamp(inside) == inside.size() && !inside.empty()) return {size, {}};
  const auto pod = take_word(inside);
  return is_pod(pod) ? Prefix{size, pod} : Prefix();
}

// Whether Go's runtime writes such lines when a process dies.
bool is_of_runtime(std::string_view line) {
  return GoDump::may_begin(line) || line.starts_with("[signal ") ||
         kind_of_line(line) != TraceLine::kOther || line.starts_with('\t');
}

// "2026/11/21 03:02:01 " or "2026-11-21 03:02:01,123 ". Of other lines it is left, to be shown.
Prefix own_time(std::string_view text) {
  if (!has_shape(text, "0000/00/00 00:00:00") && !has_shape(text, "0000-00-00 00:00:00")) return {};
  size_t end = 19;
  if (end < text.size() && (text[end] == '.' || text[end] == ',')) {
    for (++end; end < text.size() && is_digit(text[end]);) ++end;
  }
  if (end < text.size() && text[end] != ' ' && text[end] != '\t') return {};
  end = std::min(text.size(), end + 1);
  const auto rest = text.substr(end);
  if (!is_of_runtime(rest) && !rest.starts_with('{')) return {};
  return {end, {}, false, true};
}

// Spaces before a traceback that was pasted somewhere.
Prefix indent(std::string_view text) {
  const size_t start = text.find_first_not_of(' ');
  if (start == std::string_view::npos) return {text.size(), {}};
  switch (kind_of_line(text.substr(start))) {
    case TraceLine::kHeader:
    case TraceLine::kFunction:
    case TraceLine::kCreator:
    case TraceLine::kOrigin:
    case TraceLine::kElided:
      return {start, {}};
    case TraceLine::kBlank:
    case TraceLine::kBareFunction:
    case TraceLine::kPlace:
    case TraceLine::kUnavailable:
    case TraceLine::kOther:
      return GoDump::may_begin(text.substr(start)) ? Prefix{start, {}, false, true} : Prefix();
  }
  return {};
}

// "stdout F " of container runtimes; "00O " and "00E " of a job of GitLab, of which "+" continues a
// line.
Prefix stream_marks(std::string_view text) {
  for (const std::string_view stream : {"stdout", "stderr"}) {
    if (!text.starts_with(stream) || text.size() < 8 || text[6] != ' ') continue;
    if ((text[7] == 'F' || text[7] == 'P') && (text.size() == 8 || text[8] == ' '))
      return {std::min<size_t>(9, text.size()), stream, text[7] == 'P'};
  }
  if (has_shape(text, "00O") || has_shape(text, "00E")) {
    if (text.size() == 3) return {3, {}};
    if (text[3] == ' ') return {4, {}};
  }
  return {};
}

// "{app="checkout"} ", as Loki's logcli writes its labels.
Prefix labels(std::string_view text) {
  if (text.size() < 2 || text[0] != '{' || !is_letter(text[1])) return {};
  const size_t end = text.find("} ");
  if (end == std::string_view::npos || end > kLongestPrefix) return {};
  return {end + 2, text.substr(0, end + 1)};
}

// "ecs/app/5f1c0b2a9d3e4f60 ", the stream of a task, as `aws logs tail` writes it.
Prefix ecs_task(std::string_view text) {
  auto rest = text;
  const auto stream = take_word(rest);
  const size_t id = stream.rfind('/');
  if (id == std::string_view::npos || stream.size() - id < 17) return {};
  if (stream.find_first_not_of("0123456789abcdef", id + 1) != std::string_view::npos) return {};
  return {text.size() - rest.size(), stream};
}

// "app[148ed21a] fra [info]", as fly.io writes it.
Prefix fly(std::string_view text) {
  auto rest = text;
  const auto machine = take_word(rest);
  if (!machine.ends_with(']') || machine.find('[') == std::string_view::npos) return {};
  if (!has_shape(rest, "aaa [")) return {};
  const size_t end = rest.find(']');
  if (end == std::string_view::npos || end > 16) return {};
  const size_t space = end + 1 < rest.size() && rest[end + 1] == ' ' ? 1 : 0;
  return {text.size() - rest.size() + end + 1 + space, machine};
}

// A time, and what stands behind it: also "host svc[1]: " of journalctl -o short-iso, and
// "app[web.1]: " of platforms.
Prefix timed(std::string_view text) {
  const size_t time = timestamp(text);
  if (time == 0) return {};
  const auto rest = text.substr(time);
  for (const auto& find : {stream_marks, labels, ecs_task, fly}) {
    if (const auto found = find(rest); found.size > 0)
      return {time + found.size, found.stream, found.partial};
  }
  for (const auto& further : {identifier(rest, true), host_and_identifier(rest)}) {
    // "ERROR svc: x" is no host with an identifier: that has its pid.
    if (further.size > 0 && further.stream.ends_with(']'))
      return {time + further.size, further.stream};
  }
  return {time, {}};
}

// "10:00:00 web.1  | ", as foreman writes it.
Prefix foreman(std::string_view text) {
  constexpr std::string_view kTime = "00:00:00 ";
  if (!has_shape(text, kTime)) return {};
  const auto found = compose(text.substr(kTime.size()));
  return found.size > 0 ? Prefix{kTime.size() + found.size, found.stream} : Prefix();
}

}  // namespace

Prefix prefix_of(std::string_view text) {
  if (text.empty()) return {};
  switch (text.front()) {
    case '[':
      for (const auto& find : {kubectl, journal_by_choice, in_brackets}) {
        if (const auto found = find(text); found.size > 0) return found;
      }
      return {};
    case '<':
      return syslog_priority(text);
    case ' ':
      return indent(text);
    default:
      break;
  }
  for (const auto& find : {journal, timed, own_time, journal_by_choice, compose, foreman, stern}) {
    if (const auto found = find(text); found.size > 0) return found;
  }
  return {};
}

}  // namespace unclosed
