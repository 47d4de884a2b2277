// GoRecording: what the readers of a Go process asked of it and were told, as a text: memory, code,
// names and /proc. For tests and fuzzing only: a process that is there again without being run, and
// whose memory may be changed. It knows nothing that was not asked for when it was made; memory
// that was mapped and is not written down is zero. Made by src/cli/go_recording_root_test.cc. Value
// types; any thread.
//
// Lines, all numbers in hex:
//   go VERSION                        mapping START END PERMISSIONS INODE PATH
//   layout WORD…                      symbol ADDRESS NAME
//   code START END MODULE ALLGS       function START END NAME
//   row PC TYPE CFA                   variable ADDRESS OWN NAME TYPE
//   frame PC OWN FUNCTION             live PC LOCALS ARGUMENTS [OFFSET SIZE]…
//   mapped START END                  bytes ADDRESS HEX
// Words of the layout are as GoRuntimeLayout has them: where that changes, it is recorded anew.
#pragma once

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collect/golang/holders.h"
#include "model/code.h"

namespace unclosed {

struct GoRecording {
  static constexpr uint64_t kPage = 4096;
  static constexpr size_t kLine = 32;  // bytes of memory in a line
  using Page = std::array<std::byte, kPage>;

  std::string version;
  GoRuntimeLayout layout;
  std::pair<ElfAddr, ElfAddr> text;
  uint64_t module_data = 0, all_goroutines = 0;
  std::vector<Mapping> mappings;
  std::map<std::string, uint64_t, std::less<>> symbols;
  std::map<std::string, std::pair<uint64_t, uint64_t>, std::less<>> functions;
  std::map<uint64_t, UnwindRow> rows;
  std::map<uint64_t, GoVariable> variables;
  std::map<uint64_t, std::vector<NamedFrame>> frames;
  std::map<uint64_t, GoFrameMap> live;
  std::map<uint64_t, Page> pages;       // that hold anything, by address
  std::map<uint64_t, uint64_t> zeroes;  // further ranges that are mapped: start and end

  std::string to_text() const;
  // nullopt: a line that is none.
  static std::optional<GoRecording> of(std::string_view text);

 private:
  using Layout = std::array<uint32_t, sizeof(GoRuntimeLayout) / 4>;
  bool take(std::string_view word, std::string_view rest);
  bool take_code(std::string_view word, std::string_view rest);
  bool take_bytes(std::string_view rest);
};

namespace recording {

inline std::string_view next(std::string_view& rest) {
  const size_t end = std::min(rest.find(' '), rest.size());
  const auto word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

inline uint64_t number(std::string_view& rest) {
  const auto word = next(rest);
  uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value, 16);
  return value;
}

inline std::string bits(const std::vector<bool>& some) {
  std::string text = some.empty() ? "-" : "";
  for (const bool one : some) text += one ? '1' : '0';
  return text;
}

inline std::vector<bool> bits(std::string_view text) {
  std::vector<bool> some;
  for (const char one : text)
    if (one != '-') some.push_back(one == '1');
  return some;
}

}  // namespace recording

inline std::string GoRecording::to_text() const {
  std::string out = fmt::format("go {}\nlayout", version);
  for (const uint32_t word : std::bit_cast<Layout>(layout)) out += fmt::format(" {:x}", word);
  out += fmt::format("\ncode {:x} {:x} {:x} {:x}\n", text.first.value, text.second.value,
                     module_data, all_goroutines);
  for (const Mapping& one : mappings) {
    out += fmt::format("mapping {:x} {:x} r{}{} {:x} {}\n", one.start, one.end,
                       one.writable ? 'w' : '-', one.executable ? 'x' : '-', one.inode, one.path);
  }
  for (const auto& [name, at] : symbols) out += fmt::format("symbol {:x} {}\n", at, name);
  for (const auto& [name, range] : functions)
    out += fmt::format("function {:x} {:x} {}\n", range.first, range.second, name);
  for (const auto& [pc, row] : rows)
    out += fmt::format("row {:x} {:x} {:x}\n", pc, static_cast<unsigned>(row.type), row.cfa);
  for (const auto& [at, one] : variables)
    out += fmt::format("variable {:x} {:x} {} {}\n", at, one.own ? 1 : 0, one.name, one.type);
  for (const auto& [pc, list] : frames) {
    for (const NamedFrame& one : list)
      out += fmt::format("frame {:x} {:x} {}\n", pc, one.own ? 1 : 0, one.function);
  }
  for (const auto& [pc, one] : live) {
    out += fmt::format("live {:x} {} {}", pc, recording::bits(one.locals),
                       recording::bits(one.arguments));
    for (const auto& object : one.objects)
      out += fmt::format(" {:x} {:x}", static_cast<uint32_t>(object.offset), object.size);
    out += '\n';
  }
  for (const auto& [start, end] : zeroes) out += fmt::format("mapped {:x} {:x}\n", start, end);
  for (const auto& [start, page] : pages) {
    for (size_t at = 0; at < kPage; at += kLine) {
      size_t used = kLine;
      while (used > 0 && page[at + used - 1] == std::byte{0}) --used;
      if (used == 0) continue;
      out += fmt::format("bytes {:x} ", start + at);
      for (size_t i = 0; i < used; ++i) out += fmt::format("{:02x}", page[at + i]);
      out += '\n';
    }
  }
  return out;
}

inline bool GoRecording::take_bytes(std::string_view rest) {
  const uint64_t address = recording::number(rest);
  if (rest.size() % 2 != 0 || address % kLine != 0 || rest.size() > 2 * kLine) return false;
  Page& page = pages.try_emplace(address / kPage * kPage).first->second;
  for (size_t i = 0; i < rest.size() / 2; ++i) {
    uint8_t byte = 0;
    std::from_chars(rest.data() + 2 * i, rest.data() + 2 * i + 2, byte, 16);
    page[address % kPage + i] = std::byte{byte};
  }
  return true;
}

inline bool GoRecording::take_code(std::string_view word, std::string_view rest) {
  using recording::next, recording::number;
  if (word == "row") {
    const uint64_t pc = number(rest);
    UnwindRow& row = rows[pc];
    row.type = static_cast<UnwindType>(number(rest));
    row.cfa = static_cast<uint16_t>(number(rest));
  } else if (word == "variable") {
    GoVariable& one = variables[number(rest)];
    one.own = number(rest) != 0;
    one.name = next(rest);
    one.type = rest;
  } else if (word == "frame") {
    auto& list = frames[number(rest)];
    NamedFrame& one = list.emplace_back();
    one.own = number(rest) != 0;
    one.function = rest;
  } else if (word == "live") {
    GoFrameMap& one = live[number(rest)];
    one.locals = recording::bits(next(rest));
    one.arguments = recording::bits(next(rest));
    while (!rest.empty()) {
      const auto offset = static_cast<int32_t>(static_cast<uint32_t>(number(rest)));
      one.objects.push_back({offset, static_cast<int32_t>(number(rest))});
    }
  } else {
    return false;
  }
  return true;
}

inline bool GoRecording::take(std::string_view word, std::string_view rest) {
  using recording::next, recording::number;
  if (word == "bytes") return take_bytes(rest);
  if (word == "go") {
    version = rest;
  } else if (word == "layout") {
    Layout words{};
    for (uint32_t& one : words) one = static_cast<uint32_t>(number(rest));
    layout = std::bit_cast<GoRuntimeLayout>(words);
  } else if (word == "code") {
    text.first.value = number(rest);
    text.second.value = number(rest);
    module_data = number(rest);
    all_goroutines = number(rest);
  } else if (word == "mapping") {
    Mapping& one = mappings.emplace_back();
    one.start = number(rest);
    one.end = number(rest);
    const auto permissions = next(rest);
    one.writable = permissions.find('w') != std::string_view::npos;
    one.executable = permissions.find('x') != std::string_view::npos;
    one.inode = number(rest);
    one.path = rest;
  } else if (word == "symbol") {
    const uint64_t at = number(rest);
    symbols.emplace(rest, at);
  } else if (word == "function") {
    const uint64_t start = number(rest), end = number(rest);
    functions.emplace(rest, std::pair(start, end));
  } else if (word == "mapped") {
    const uint64_t start = number(rest);
    zeroes[start] = number(rest);
  } else {
    return take_code(word, rest);
  }
  return true;
}

inline std::optional<GoRecording> GoRecording::of(std::string_view text) {
  GoRecording recording;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto word = recording::next(line);
    if (!word.empty() && !recording.take(word, line)) return std::nullopt;
  }
  return recording;
}

}  // namespace unclosed
