// fork(2), and the parent closes: the child holds it alone.
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  const int fd = event();
  const pid_t parent = outer_pid();
  if (fork() == 0) {
    inherit(parent);
    post(0, 1);
    rest();
  }
  wait_for(0, 1);
  shut(fd);
  event();
  end();
}
