// Network namespaces, one in the other: the same addresses and ports, other sockets.
// needs root: a network namespace
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "exact.h"

OPENER int listen_here(uint16_t* port) { return opened(listening(port), __func__); }
OPENER int dial_out(uint16_t port) {
  const int fd = opened(socket(AF_INET, SOCK_STREAM, 0), __func__);
  dial(fd, port);
  return fd;
}
OPENER int take(int listener) { return opened(accept4(listener, NULL, NULL, 0), __func__); }
OPENER int control(void) { return opened(socket(AF_INET, SOCK_DGRAM, 0), __func__); }

static void enter(void) {
  CHECK(unshare(CLONE_NEWNET) == 0);
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  const int fd = control();
  CHECK(ioctl(fd, SIOCSIFFLAGS, &loopback) == 0);
  shut(fd);
}

int main(void) {
  begin();
  for (int i = 0; i < 3; ++i) {
    uint16_t port;
    const int listener = listen_here(&port);
    dial_out(port);
    take(listener);
    dial_out(port);
    shut(take(listener));
    enter();
  }
  end();
}
