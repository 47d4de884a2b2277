// cpp-metrics: a statically linked agent that pushes measurements.
//
// It shows: a socket lost in a static binary, when the collector asks for patience in the middle of a batch.
#include "../internal/traffic/traffic.h"
#include "pusher.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  const Pusher pusher(options.port("collector"), options.fixed);
  traffic::drive(options, 2, [&](int n) {
    if (options.rare(n)) pusher.push_batch({"cpu", "memory", "disk"});
    else pusher.push("load." + std::to_string(n % 4), n % 7);
  });
}
