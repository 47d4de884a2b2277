// A PID namespace, and one more in it: the numbers there are not those that the observer sees.
// needs root: a PID namespace
#include <sched.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_first(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_second(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  event();
  const pid_t parent = outer_pid();
  CHECK(unshare(CLONE_NEWPID) == 0);
  if (fork() == 0) {
    CHECK(getpid() == 1);
    inherit(parent);
    of_the_first();
    const pid_t outer = outer_pid();
    CHECK(unshare(CLONE_NEWPID) == 0);
    if (fork() == 0) {
      CHECK(getpid() == 1);
      inherit(outer);
      of_the_second();
      shut(of_the_second());
      post(0, 1);
      rest();
    }
    rest();
  }
  wait_for(0, 1);
  end();
}
