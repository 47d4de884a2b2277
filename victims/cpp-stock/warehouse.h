// What the warehouses hold, asked over one connection a question.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

class Warehouses {
 public:
  Warehouses(int port, bool fixed) : port_(port), fixed_(fixed) {}

  // Units of `sku` in stock; -1 when the warehouse cannot tell.
  int quantity(const std::string& sku);

  // Units of all `skus` together, asked over a single connection.
  int total(const std::vector<std::string>& skus);

 private:
  void remember(const std::string& sku, const std::string& home);

  const int port_;
  const bool fixed_;
  std::mutex mutex_;
  std::map<std::string, std::string> homes_;
};
