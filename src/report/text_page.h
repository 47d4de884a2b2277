// A page of text under construction: indents, wraps to the width, colours by role. A colour never
// stands alone: the word that it colours says the same. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unclosed {

enum class Ink : uint8_t { kPlain, kBold, kDim, kBad, kWarn, kGood };

class TextPage {
 public:
  TextPage(size_t width, bool colour) : x_width(width), x_colour(colour) {}

  size_t width() const { return x_width; }
  // `text` in `ink`; unchanged without colour.
  std::string paint(std::string_view text, Ink ink) const;
  // One line as it is; what is too long is cut. `text` may hold paint only if it fits.
  void line(size_t indent, std::string_view text);
  void blank();
  // "label      text", wrapped, further lines under the text.
  void item(size_t indent, std::string_view label, std::string_view text, Ink ink = Ink::kPlain);
  // The same with a short mark instead of a label.
  void bullet(size_t indent, std::string_view mark, Ink mark_ink, std::string_view text);
  std::string take() { return std::move(x_text); }

 private:
  void block(size_t indent, std::string head, size_t head_columns, std::string_view text, Ink ink);

  size_t x_width;
  bool x_colour;
  std::string x_text;
};

}  // namespace unclosed
