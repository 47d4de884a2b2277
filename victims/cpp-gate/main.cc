// cpp-gate: the server of a car park's gates, and the cars.
//
// It shows: an accept loop without close, for the tickets that are turned away. The visitor closes its side, so the
// server's sockets stay in CLOSE_WAIT, and the last thing that happened on them is the refusal.
#include <unistd.h>

#include "../internal/traffic/traffic.h"
#include "../internal/wire/wire.h"
#include "gate.h"

namespace {

void show_ticket(int port, const std::string& ticket) {
  const int socket = wire::dial(port);
  if (socket < 0) return;
  wire::ask(socket, ticket);
  close(socket);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  Gate gate(options.fixed);
  std::thread server([&] { gate.run(); });
  traffic::drive(options, 2, [&](int n) {
    show_ticket(gate.port(), (options.rare(n) ? "void-" : "day-") + std::to_string(n));
  });
  gate.stop();
  server.join();
}
