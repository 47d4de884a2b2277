// close(2): the number is given away again at once, to another file by another opener.
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int timer(void) { return opened(timerfd_create(CLOCK_MONOTONIC, 0), __func__); }

int main(void) {
  begin();
  const int fd = event();
  for (int i = 0; i < 1000; ++i) {
    shut(fd);
    CHECK(timer() == fd);
    shut(fd);
    CHECK(event() == fd);
  }
  shut(fd);
  CHECK(timer() == fd);
  end();
}
