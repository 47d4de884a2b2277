// cpp-bulletin: asks the harbour office over ZeroMQ which berths are free.
//
// It shows: a ZeroMQ context made for one question and never ended. The library's own I/O thread dials, sends and
// receives, so that no stack of the connection holds a line of ours.
#include <string>
#include <thread>

#include "../internal/traffic/traffic.h"
#include "office.h"
#include "talk.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  // Stands for the harbour office, in a process of its own where the traffic is real.
  const std::string address = office::open();
  const Talk shared(address);
  const Bulletin bulletin(address, shared, options.fixed);
  traffic::drive(options, 1, [&](int n) {
    if (options.rare(n)) bulletin.tide(n % 24);
    else bulletin.berth("pier-" + std::to_string(n % 9));
  });
}
