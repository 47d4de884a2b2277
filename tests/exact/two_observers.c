// Two observers at a time: each sees everything, and neither disturbs the other.
// observers 2
// a storm
// on seccomp no stack of any: more than one opening may be meant
// on seccomp no copier of any: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

enum { TIMES = 100000 };

OPENER int quick(void) { return eventfd(0, 0); }
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd) { return copied(dup(fd), fd, __func__); }

int main(void) {
  begin();
  for (int i = 0; i < TIMES; ++i) CHECK(close(quick()) == 0);
  came_and_went(TIMES);
  const pid_t parent = outer_pid();
  for (int i = 0; i < 5; ++i) copy(event());
  if (fork() == 0) {
    inherit(parent);
    event();
    post(0, 1);
    rest();
  }
  wait_for(0, 1);
  shut(event());
  end();
}
