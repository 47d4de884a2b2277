// cpp-import: books the deliveries that lie in a spool folder.
//
// It shows: a descriptor leaked across an exception: a delivery that was cut off is rejected by a throw, past the close.
#include <exception>

#include "../internal/traffic/traffic.h"
#include "importer.h"
#include "spool.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  const std::string folder = spool::create(40);
  Importer importer(folder, options.fixed);
  int rejected = 0;
  traffic::drive(options, 1, [&](int n) {
    const std::string name = "delivery-" + (options.rare(n) ? "cut" : std::to_string(n % 40));
    try {
      if (importer.has_come(name)) importer.import_one(name);
    } catch (const std::exception&) {
      ++rejected;
    }
  });
  spool::remove(folder);
}
