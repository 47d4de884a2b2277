// Reads deliveries into the books.
#pragma once

#include <string>

class Importer {
 public:
  Importer(std::string folder, bool fixed) : folder_(std::move(folder)), fixed_(fixed) {}

  // Books one delivery; throws what is wrong with it.
  void import_one(const std::string& name);

  // Whether the delivery has come; reads its first bytes only.
  bool has_come(const std::string& name) const;

 private:
  int open_delivery(const std::string& name) const;
  void book(const std::string& header, const std::string& body);

  const std::string folder_;
  const bool fixed_;
  unsigned long booked_ = 0;
};
