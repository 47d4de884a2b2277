// F_DUPFD and F_DUPFD_CLOEXEC, beside calls of fcntl(2) that copy nothing.
// on seccomp no stack of event: more than one opening may be meant
// on seccomp no copier of copy copy_cloexec: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd) { return copied(fcntl(fd, F_DUPFD, 50), fd, __func__); }
OPENER int copy_cloexec(int fd) { return copied(fcntl(fd, F_DUPFD_CLOEXEC, 60), fd, __func__); }

int main(void) {
  begin();
  const int fd = event();
  copy(fd);
  CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
  CHECK(fcntl(fd, F_GETFL) >= 0);
  shut(fd);
  copy_cloexec(event());
  end();
}
