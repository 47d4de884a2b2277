// Text of targets made safe and fitting for a terminal. Names, paths, commands and source lines may
// hold any byte; none of them may move a cursor, change a colour or hide text. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unclosed {

// `text` with control characters and marks that reorder text written as escapes (\n, \x1b, \u202e),
// and U+FFFD for what is not UTF-8.
std::string printable(std::string_view text);

// Columns that printable text takes.
size_t columns(std::string_view text);
// `text` cut to at most `width` columns, with … at its end, or at its start (paths).
enum class CutAt : uint8_t { kEnd, kStart };
std::string fit(std::string_view text, size_t width, CutAt where = CutAt::kEnd);
// Lines of at most `width` columns, broken at spaces, inside a word only where it is longer than a
// line.
std::vector<std::string> wrap(std::string_view text, size_t width);

std::string grouped(uint64_t number);          // 9,861
std::string duration_words(double seconds);    // "55 s", "4 min 10 s", "2 h 14 min", "3 d 4 h"
std::string base_name(std::string_view path);  // what follows the last slash

}  // namespace unclosed
