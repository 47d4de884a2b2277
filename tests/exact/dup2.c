// dup2(2) to a free number, and to itself.
// on seccomp no stack of event: more than one opening may be meant
// on seccomp no copier of copy: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd, int to) { return copied((int)syscall(SYS_dup2, fd, to), fd, __func__); }

int main(void) {
  begin();
  const int fd = event();
  copy(fd, 100);
  CHECK(syscall(SYS_dup2, fd, fd) == fd);
  shut(copy(fd, 101));
  end();
}
