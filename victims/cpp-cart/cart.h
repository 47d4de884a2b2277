// Shopping carts: a Redis list for each customer.
#pragma once

#include <string>

#include "pool.h"

class Carts {
 public:
  Carts(Pool& pool, bool fixed) : pool_(pool), fixed_(fixed) {}

  bool add(int customer, const std::string& article);
  long long size(int customer);

  // Empties the cart and says how many articles were ordered; -1 when Redis is not there.
  long long checkout(int customer);

 private:
  Pool& pool_;
  const bool fixed_;
};
