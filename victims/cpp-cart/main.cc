// cpp-cart: shopping carts in Redis, through a pool written by hand on hiredis.
//
// It shows: a pool of which one path gives nothing back: an empty cart at the checkout. The pool dials for whoever
// comes next, so the leaked connections were opened by innocent functions.
#include <unistd.h>

#include "../internal/traffic/traffic.h"
#include "cart.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  Pool pool(options.port("redis"), 3);
  Carts carts(pool, options.fixed);
  const int shop = static_cast<int>(getpid()) * 1000;
  traffic::drive(options, 3, [&](int n) {
    const int customer = shop + n % 50;
    if (options.rare(n)) carts.checkout(shop + 999);  // whose cart is always empty
    else if (n % 10 == 0) { carts.add(customer, "tea"); carts.checkout(customer); }
    else if (n % 2 == 0) carts.add(customer, "coffee");
    else carts.size(customer);
  });
}
