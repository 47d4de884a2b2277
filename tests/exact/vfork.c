// vfork(2): the child borrows memory, not the table of descriptors.
// on seccomp no stack of event: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(int argc, char** argv) {
  if (argc > 1) {
    begin_again();
    inherit(atoi(argv[1]));
    close(atoi(argv[2]));
    closed(atoi(argv[2]));
    post(0, 1);
    rest();
  }
  begin();
  const int fd = event();
  event();
  char parent[16], number[16];
  snprintf(parent, sizeof parent, "%d", (int)outer_pid());
  snprintf(number, sizeof number, "%d", fd);
  if (vfork() == 0) {
    execl("/proc/self/exe", argv[0], parent, number, NULL);
    _exit(98);
  }
  wait_for(0, 1);
  shut(fd);
  end();
}
