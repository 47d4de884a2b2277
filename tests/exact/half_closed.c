// shutdown(2) closes no descriptor, on either side.
// on seccomp no stack of take: more than one opening may be meant
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
  CHECK(shutdown(dial_out(port), SHUT_WR) == 0);
  take(listener);
  CHECK(shutdown(dial_out(port), SHUT_RDWR) == 0);
  CHECK(shutdown(take(listener), SHUT_RDWR) == 0);
  dial_out(port);
  shut(take(listener));
  end();
}
