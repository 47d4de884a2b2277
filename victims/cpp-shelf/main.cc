// cpp-shelf: tells where books stand, from a warehouse.
//
// It shows: an in-house wrapper over a pool whose sources were copied into the tree. Everybody opens, asks and returns
// through both; one caller keeps what it borrowed when a shelf is being moved.
#include "../internal/traffic/traffic.h"
#include "shelf.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  Warehouse warehouse(options.port("warehouse"));
  Shelves shelves(warehouse, options.fixed);
  traffic::drive(options, 3, [&](int n) {
    const std::string book = "book-" + std::to_string(n % 90);
    if (options.rare(n)) shelves.reserve("moving-" + book);
    else if (n % 5 == 0) shelves.reserve(book);
    else if (n % 2 == 0) shelves.count(book);
    else shelves.find(book);
  });
}
