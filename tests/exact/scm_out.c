// SCM_RIGHTS out of the target: what another process holds alone is gone from here.
// on seccomp no stack of event: who handed it over is not told, and two openings may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER void channel(int* ends) { CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0); }
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  int ends[2];
  channel(ends);
  if (before_the_observer() == 0) {
    opened(ends[1], "channel");
    close(ends[0]);
    int fds[2];
    CHECK(receive_descriptors(ends[1], fds, 2) == 2);
    adopted(fds[0], posted(1), "");
    adopted(fds[1], posted(2), "");
    post(0, 1);
    rest();
  }
  opened(ends[0], "channel");
  close(ends[1]);
  begin();
  const int fds[2] = {event(), event()};
  post(1, file_at(fds[0]));
  post(2, file_at(fds[1]));
  send_descriptors(ends[0], fds, 2);
  wait_for(0, 1);
  shut(fds[0]);
  end();
}
