// close(2) of numbers that are not open, and one that fails after it has closed.
// on seccomp no stack of event: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  event();
  for (int i = 0; i < 100; ++i) CHECK(close(500 + i) < 0);
  CHECK(close(-1) < 0);
  const int fd = event();
  shut(fd);
  CHECK(close(fd) < 0 && errno == EBADF);
  end();
}
