// cpp-stock: tells a shop what the warehouses hold.
//
// It shows: a socket lost on an early return, when an article's shard is being moved to another warehouse. The socket
// is opened and used through helpers that every healthy question passes through too.
#include "../internal/traffic/traffic.h"
#include "warehouse.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  Warehouses warehouses(options.port("warehouse"), options.fixed);
  traffic::drive(options, 2, [&](int n) {
    const std::string sku = std::to_string(10000 + n % 977);
    if (options.rare(n)) warehouses.quantity("moving-" + sku);
    else if (n % 5 == 0) warehouses.total({sku, sku + "-s", sku + "-m", sku + "-l"});
    else warehouses.quantity(sku);
  });
}
