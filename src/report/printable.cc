#include "report/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace unclosed {
namespace {

struct Symbol {
  uint32_t code = 0;
  size_t size = 1;
  bool valid = false;
};

// The first code point of `text`, which is not empty. Overlong forms and surrogates are invalid.
Symbol first_symbol(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  uint32_t code = lead & (0xffU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, size, true};
}

struct Range {
  uint32_t first, last;
};

template <size_t n>
bool in(const std::array<Range, n>& ranges, uint32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& r) { return code >= r.first && code <= r.last; });
}

// Line and paragraph separators, and marks that reorder or hide what stands beside them.
constexpr std::array<Range, 6> kMarks = {{{0x61c, 0x61c},
                                          {0x200b, 0x200f},
                                          {0x2028, 0x202e},
                                          {0x2060, 0x206f},
                                          {0xfeff, 0xfeff},
                                          {0xe0000, 0xe007f}}};
constexpr std::array<Range, 10> kWide = {{{0x1100, 0x115f},
                                          {0x2e80, 0x303e},
                                          {0x3041, 0xa4cf},
                                          {0xac00, 0xd7a3},
                                          {0xf900, 0xfaff},
                                          {0xfe30, 0xfe6f},
                                          {0xff00, 0xff60},
                                          {0xffe0, 0xffe6},
                                          {0x1f300, 0x1faff},
                                          {0x20000, 0x3fffd}}};
constexpr std::array<Range, 4> kCombining = {
    {{0x300, 0x36f}, {0x1ab0, 0x1aff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};

size_t columns_of(uint32_t code) {
  if (in(kCombining, code)) return 0;
  return in(kWide, code) ? 2 : 1;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto symbol = first_symbol(text);
    if (!symbol.valid) {
      out += "\xef\xbf\xbd";
    } else if (symbol.code == '\n') {
      out += "\\n";
    } else if (symbol.code == '\t') {
      out += "\\t";
    } else if (symbol.code == '\r') {
      out += "\\r";
    } else if (symbol.code < 0x20 || (symbol.code >= 0x7f && symbol.code < 0xa0)) {
      out += fmt::format("\\x{:02x}", symbol.code);
    } else if (in(kMarks, symbol.code)) {
      out += fmt::format("\\u{:04x}", symbol.code);
    } else {
      out += text.substr(0, symbol.size);
    }
    text.remove_prefix(symbol.size);
  }
  return out;
}

size_t columns(std::string_view text) {
  size_t sum = 0;
  while (!text.empty()) {
    const auto symbol = first_symbol(text);
    sum += symbol.valid ? columns_of(symbol.code) : 1;
    text.remove_prefix(symbol.size);
  }
  return sum;
}

namespace {

// The longest start of `text` that takes at most `width` columns.
std::string_view start_of(std::string_view text, size_t width) {
  size_t used = 0, taken = 0;
  while (taken < text.size()) {
    const auto symbol = first_symbol(text.substr(taken));
    const size_t wide = symbol.valid ? columns_of(symbol.code) : 1;
    if (used + wide > width) break;
    used += wide;
    taken += symbol.size;
  }
  return text.substr(0, taken);
}

}  // namespace

std::string fit(std::string_view text, size_t width, CutAt where) {
  const size_t all = columns(text);
  if (all <= width) return std::string(text);
  if (width == 0) return {};
  if (where == CutAt::kEnd) return std::string(start_of(text, width - 1)) + "…";
  size_t dropped = 0, left = all;
  while (left > width - 1) {
    const auto symbol = first_symbol(text.substr(dropped));
    left -= symbol.valid ? columns_of(symbol.code) : 1;
    dropped += symbol.size;
  }
  return "…" + std::string(text.substr(dropped));
}

std::vector<std::string> wrap(std::string_view text, size_t width) {
  width = std::max<size_t>(width, 1);
  std::vector<std::string> lines;
  const size_t indent = std::min({text.find_first_not_of(' '), text.size(), width - 1});
  std::string line(indent, ' ');
  size_t used = indent;
  text.remove_prefix(indent);
  bool started = false;  // the line holds a word
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t wide = columns(word);
    if (started && used + 1 + wide > width) {
      lines.push_back(std::move(line));
      line.clear();
      used = 0;
      started = false;
    }
    if (started) {
      line += ' ';
      ++used;
    }
    while (used + columns(word) > width) {
      auto part = start_of(word, width - used);
      if (part.empty()) part = word.substr(0, first_symbol(word).size);
      lines.push_back(line + std::string(part));
      line.clear();
      used = 0;
      started = false;
      word.remove_prefix(part.size());
    }
    line += word;
    used += columns(word);
    started = started || !word.empty();
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string duration_words(double seconds) {
  if (!std::isfinite(seconds)) return "an unknown time";
  seconds = std::max(seconds, 0.0);
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::min(seconds + 0.5, 9e15));
  if (whole < 60) return fmt::format("{} s", whole);
  const auto two = [](uint64_t big, const char* unit, uint64_t small, const char* lesser) {
    return small == 0 ? fmt::format("{} {}", grouped(big), unit)
                      : fmt::format("{} {} {} {}", grouped(big), unit, small, lesser);
  };
  if (whole < 3600) return two(whole / 60, "min", whole % 60, "s");
  if (whole < 86400) return two(whole / 3600, "h", whole % 3600 / 60, "min");
  return two(whole / 86400, "d", whole % 86400 / 3600, "h");
}

std::string base_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace unclosed
