// cpp-meter: takes the readings of meters that report by mobile radio.
//
// It shows: clients that go without a word. A meter that loses its radio sends no FIN, and without keep-alive nobody ever
// asks whether it is still there. The meters live in a child of their own; losing the radio needs root.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../internal/traffic/traffic.h"
#include "../internal/wire/wire.h"
#include "meters.h"

namespace {

// The socket is gone, and its peer hears nothing of it: a socket under repair is taken away in silence.
void lose_radio(int socket) {
  const int on = 1;
  if (setsockopt(socket, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0) std::perror("cannot lose the radio");
  close(socket);
}

void report(int port, int n, bool breaks_off) {
  const int socket = wire::dial(port);
  if (socket < 0) return;
  for (int i = 0; i < 5; ++i) {
    wire::ask(socket, "kwh " + std::to_string(n + i));
    usleep(60'000);
  }
  if (breaks_off) lose_radio(socket);
  else close(socket);
}

}  // namespace

int main(int argc, char** argv) {
  traffic::Options defaults;
  defaults.rate = 10;
  defaults.every = 6;
  const auto options = traffic::parse(argc, argv, defaults);
  Meters meters(options.fixed);
  const pid_t field = fork();
  if (field == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    traffic::drive(options, 6, [&](int n) { report(meters.port(), n, options.rare(n)); });
    return 0;
  }
  std::thread server([&] { meters.run(); });
  while (!traffic::stopping && waitpid(field, nullptr, 0) != field) {
  }
  kill(field, SIGTERM);
  meters.stop();
  server.join();
}
