// pidfd_getfd(2): a descriptor is taken out of another process.
// on seccomp no stack of of_the_child: who handed it over is not told, and two openings may be meant
// on seccomp no copier of take: who handed it over is not told, and two openings may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int of_the_child(void) { return opened(eventfd(0, 0), __func__); }
OPENER int handle_of(pid_t child) {
  return opened((int)syscall(SYS_pidfd_open, child, 0), __func__);
}
OPENER int take(int handle, int fd, uint32_t file) {
  return adopted((int)syscall(SYS_pidfd_getfd, handle, fd, 0), file, __func__);
}

int main(void) {
  begin();
  const pid_t parent = outer_pid();
  const pid_t child = fork();
  if (child == 0) {
    inherit(parent);
    const int fd = of_the_child();
    post(1, (uint32_t)fd);
    post(2, file_at(fd));
    post(0, 1);
    wait_for(0, 2);
    shut(fd);
    post(0, 3);
    rest();
  }
  wait_for(0, 1);
  take(handle_of(child), (int)posted(1), posted(2));
  post(0, 2);
  wait_for(0, 3);
  end();
}
