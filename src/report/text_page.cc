#include "report/text_page.h"

#include <algorithm>

#include "report/printable.h"

namespace unclosed {
namespace {

constexpr size_t kLabel = 13;      // columns of a label and the space behind it
constexpr size_t kLeastText = 20;  // a narrower column of text goes below its label

std::string_view code_of(Ink ink) {
  switch (ink) {
    case Ink::kPlain:
      return "";
    case Ink::kBold:
      return "1";
    case Ink::kDim:
      return "2";
    case Ink::kBad:
      return "1;31";
    case Ink::kWarn:
      return "1;33";
    case Ink::kGood:
      return "1;32";
  }
  return "";
}

}  // namespace

std::string TextPage::paint(std::string_view text, Ink ink) const {
  if (!x_colour || ink == Ink::kPlain || text.empty()) return std::string(text);
  std::string out = "\x1b[";
  return out.append(code_of(ink)).append("m").append(text).append("\x1b[0m");
}

void TextPage::line(size_t indent, std::string_view text) {
  x_text.append(indent, ' ');
  const bool painted = text.find('\x1b') != std::string_view::npos;
  x_text += painted ? std::string(text) : fit(text, x_width > indent ? x_width - indent : 1);
  x_text += '\n';
}

void TextPage::blank() { x_text += '\n'; }

void TextPage::item(size_t indent, std::string_view label, std::string_view text, Ink ink) {
  std::string head = paint(label, Ink::kDim);
  const size_t wide = std::max(columns(label) + 1, kLabel);
  head.append(wide - columns(label), ' ');
  block(indent, std::move(head), wide, text, ink);
}

void TextPage::bullet(size_t indent, std::string_view mark, Ink mark_ink, std::string_view text) {
  block(indent, paint(mark, mark_ink) + " ", columns(mark) + 1, text, Ink::kPlain);
}

void TextPage::block(size_t indent, std::string head, size_t head_columns, std::string_view text,
                     Ink ink) {
  const size_t left = indent + head_columns;
  const size_t room = x_width > left + kLeastText ? x_width - left : kLeastText;
  bool first = true;
  for (const auto& part : wrap(text, room)) {
    if (first) {
      x_text.append(indent, ' ');
      x_text += head;
    } else {
      x_text.append(left, ' ');
    }
    first = false;
    x_text += paint(part, ink);
    while (x_text.ends_with(' ')) x_text.pop_back();
    x_text += '\n';
  }
}

}  // namespace unclosed
