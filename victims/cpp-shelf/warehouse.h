// The house's way to a warehouse: lines from a pool, questions with a name.
#pragma once

#include <string>

#include "third_party/ropool/ropool.h"

class Warehouse {
 public:
  explicit Warehouse(int port) : pool_(port, 3) {}
  ropool::Rope* line() { return pool_.take(); }
  std::string stock(ropool::Rope* line, const std::string& book);
  void done(ropool::Rope* line) { pool_.give(line); }

 private:
  ropool::Pool pool_;
};
