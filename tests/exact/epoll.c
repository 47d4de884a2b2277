// epoll_create(2), epoll_create1(2); a descriptor that is in one is not opened by that.
// on seccomp no stack of older_poller poller: more than one opening may be meant
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int poller(void) { return opened(epoll_create1(0), __func__); }
OPENER int older_poller(void) { return opened((int)syscall(SYS_epoll_create, 1), __func__); }
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  const int fd = poller();
  older_poller();
  struct epoll_event what = {.events = EPOLLIN};
  const int watched = event();
  CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, watched, &what) == 0);
  shut(watched);
  end();
}
