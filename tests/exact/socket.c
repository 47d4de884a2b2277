// socket(2) of several families.
// on seccomp no stack of tcp tcp6: more than one opening may be meant
#include "exact.h"

OPENER int tcp(void) { return opened(socket(AF_INET, SOCK_STREAM, 0), __func__); }
OPENER int tcp6(void) { return opened(socket(AF_INET6, SOCK_STREAM, 0), __func__); }
OPENER int udp(void) { return opened(socket(AF_INET, SOCK_DGRAM, 0), __func__); }
OPENER int local(void) { return opened(socket(AF_UNIX, SOCK_STREAM, 0), __func__); }
OPENER int netlink(void) { return opened(socket(AF_NETLINK, SOCK_RAW, 0), __func__); }

int main(void) {
  begin();
  tcp();
  const int gone = tcp6();
  udp();
  shut(gone);
  local();
  netlink();
  tcp6();
  end();
}
