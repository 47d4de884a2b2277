// What the shop asks about its shelves.
#pragma once

#include <string>

#include "warehouse.h"

class Shelves {
 public:
  Shelves(Warehouse& warehouse, bool fixed) : warehouse_(warehouse), fixed_(fixed) {}
  int count(const std::string& book);
  bool find(const std::string& book);
  bool reserve(const std::string& book);

 private:
  Warehouse& warehouse_;
  const bool fixed_;
};
