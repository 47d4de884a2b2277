// fork(2), and both close: the file is gone with the second.
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  const int fd = event(), other = event();
  const pid_t parent = outer_pid();
  if (fork() == 0) {
    inherit(parent);
    shut(fd);
    post(0, 1);
    wait_for(1, 1);
    shut(other);
    post(0, 2);
    rest();
  }
  wait_for(0, 1);
  shut(fd);
  shut(other);
  post(1, 1);
  wait_for(0, 2);
  end();
}
