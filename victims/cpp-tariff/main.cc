// cpp-tariff: answers what a tariff costs, with a database session for each question.
//
// It shows: a PGconn that is never finished, because the parser of what it read throws.
#include <exception>

#include "../internal/traffic/traffic.h"
#include "tariff.h"

namespace {

// What the request handler does with a tariff that cannot be read: it says so and goes on.
bool answer(const Tariffs& tariffs, int tariff) {
  try {
    return tariffs.rate(tariff) >= 0;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  traffic::Options defaults;
  defaults.rate = 16;
  defaults.every = 8;
  const auto options = traffic::parse(argc, argv, defaults);
  const Tariffs tariffs(options.value("dsn", "host=127.0.0.1 user=shop dbname=shop sslmode=disable"), options.fixed);
  traffic::drive(options, 2, [&](int n) {
    const int line = n % 90 * 10 + 10;  // tariffs whose number ends in 0 have no readable rate
    if (options.rare(n)) answer(tariffs, line);
    else if (n % 8 == 3) tariffs.known();
    else answer(tariffs, line + 1 + n % 9);
  });
}
