// Sockets whose connect(2) failed, is still under way, or was never called.
// on seccomp no stack of untouched: more than one opening may be meant
#include <arpa/inet.h>

#include "exact.h"

OPENER int refused(void) {
  const int fd = opened(socket(AF_INET, SOCK_STREAM, 0), __func__);
  const struct sockaddr_in nobody = {
      .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  CHECK(connect(fd, (const struct sockaddr*)&nobody, sizeof nobody) < 0);
  return fd;
}
OPENER int under_way(void) {
  const int fd = opened(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), __func__);
  const struct sockaddr_in nobody = {
      .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = inet_addr("192.0.2.1")};
  (void)!connect(fd, (const struct sockaddr*)&nobody, sizeof nobody);
  return fd;
}
OPENER int untouched(void) { return opened(socket(AF_INET, SOCK_STREAM, 0), __func__); }

int main(void) {
  begin();
  refused();
  under_way();
  untouched();
  shut(refused());
  shut(under_way());
  end();
}
