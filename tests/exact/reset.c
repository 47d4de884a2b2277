// A connection that the peer reset: the descriptor stays, though no dump of sockets shows it.
#include "exact.h"

OPENER int listen_here(uint16_t* port) { return opened(listening(port), __func__); }
OPENER int dial_out(uint16_t port) {
  const int fd = opened(socket(AF_INET, SOCK_STREAM, 0), __func__);
  dial(fd, port);
  return fd;
}
OPENER int take(int listener) { return opened(accept4(listener, NULL, NULL, 0), __func__); }

int main(void) {
  begin();
  uint16_t port;
  const int listener = listen_here(&port);
  const int client = dial_out(port);
  const int server = take(listener);
  const struct linger at_once = {1, 0};
  CHECK(setsockopt(server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  shut(server);
  char byte;
  CHECK(recv(client, &byte, 1, 0) < 0 && errno == ECONNRESET);
  end();
}
