// SCM_RIGHTS into the target, from a process that was there before the observer.
// on seccomp no stack of of_the_other: who handed it over is not told, and two openings may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER void channel(int* ends) { CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0); }
OPENER int of_the_other(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  int ends[2];
  channel(ends);
  if (before_the_observer() == 0) {
    opened(ends[1], "channel");
    close(ends[0]);
    wait_for(0, 1);
    const int fd = of_the_other();
    post(1, file_at(fd));
    send_descriptors(ends[1], &fd, 1);
    wait_for(0, 2);
    shut(fd);
    post(0, 3);
    rest();
  }
  opened(ends[0], "channel");
  close(ends[1]);
  begin();
  post(0, 1);
  int fd;
  CHECK(receive_descriptors(ends[0], &fd, 1) == 1);
  adopted(fd, posted(1), "");
  post(0, 2);
  wait_for(0, 3);
  end();
}
