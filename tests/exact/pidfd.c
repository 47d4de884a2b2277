// pidfd_open(2), and one that comes out of clone3(2).
// on seccomp no stack of of_a_child own: more than one opening may be meant
#include <linux/sched.h>

#include "exact.h"

OPENER int own(void) { return opened((int)syscall(SYS_pidfd_open, getpid(), 0), __func__); }
OPENER int of_a_child(void) {
  int fd = -1;
  struct clone_args how = {
      .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&fd, .exit_signal = SIGCHLD};
  const long child = syscall(SYS_clone3, &how, sizeof how);
  if (child == 0) _exit(0);
  CHECK(child > 0 && waitpid((pid_t)child, NULL, 0) == child);
  return opened(fd, __func__);
}

int main(void) {
  begin();
  own();
  shut(own());
  of_a_child();
  end();
}
