// clone(2) with CLONE_FILES and without CLONE_THREAD: two processes, one table of descriptors.
// on seccomp no stack of event of_the_child of_the_parent: more than one opening may be meant
#include <sched.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_child(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_parent(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  event();
  const int gone = event();
  const pid_t parent = outer_pid();
  const long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
  if (child == 0) {
    inherit(parent);
    const int fd = of_the_child();
    post(1, file_at(fd));
    post(2, (uint32_t)fd);
    CHECK(close(gone) == 0);
    closed(gone);
    post(0, 1);
    wait_for(0, 2);
    adopted((int)posted(3), posted(4), "");
    post(0, 3);
    rest();
  }
  wait_for(0, 1);
  closed(gone);
  adopted((int)posted(2), posted(1), "");
  const int fd = of_the_parent();
  post(3, (uint32_t)fd);
  post(4, file_at(fd));
  post(0, 2);
  wait_for(0, 3);
  end();
}
