// unshare(CLONE_FILES) in a process whose table was shared with another.
// on seccomp no stack of event of_the_child: more than one opening may be meant
#include <sched.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_child(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  event();
  const int fd = event();
  const pid_t parent = outer_pid();
  const long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
  if (child == 0) {
    inherit(parent);
    CHECK(unshare(CLONE_FILES) == 0);
    shut(fd);
    of_the_child();
    post(0, 1);
    rest();
  }
  wait_for(0, 1);
  event();
  end();
}
