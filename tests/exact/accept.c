// accept(2) and accept4(2): the accepted ends are named by who accepted.
// on seccomp no stack of take take_with_flags: more than one opening may be meant
#include "exact.h"

OPENER int listen_here(uint16_t* port) { return opened(listening(port), __func__); }
OPENER int dial_out(uint16_t port) {
  const int fd = opened(socket(AF_INET, SOCK_STREAM, 0), __func__);
  dial(fd, port);
  return fd;
}
OPENER int take(int listener) {
  return opened((int)syscall(SYS_accept, listener, NULL, NULL), __func__);
}
OPENER int take_with_flags(int listener) {
  return opened(accept4(listener, NULL, NULL, SOCK_CLOEXEC), __func__);
}

int main(void) {
  begin();
  uint16_t port;
  const int listener = listen_here(&port);
  dial_out(port);
  take(listener);
  const int client = dial_out(port);
  take_with_flags(listener);
  dial_out(port);
  shut(take(listener));
  shut(client);
  end();
}
