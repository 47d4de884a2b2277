#include <charconv>
#include <stdexcept>

#include "tariff.h"

double parse_rate(const std::string& text) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc() || end != text.data() + text.size()) throw std::invalid_argument("rate '" + text + "'");
  return rate;
}
