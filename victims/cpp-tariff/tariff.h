// Tariffs and the charges that follow from them.
#pragma once

#include <string>

// A rate in per cent, as operators type it: "12.5". Throws std::invalid_argument on anything else.
double parse_rate(const std::string& text);

class Tariffs {
 public:
  Tariffs(std::string dsn, bool fixed) : dsn_(std::move(dsn)), fixed_(fixed) {}

  double rate(int tariff) const;
  int known() const;

 private:
  const std::string dsn_;
  const bool fixed_;
};
