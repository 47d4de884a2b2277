// close_range(2), and the flavour that first takes a table of one's own.
// on seccomp no stack of event: more than one opening may be meant
// on seccomp no copier of copy: more than one opening may be meant
#include <linux/close_range.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd, int to) { return copied(dup2(fd, to), fd, __func__); }

int main(void) {
  begin();
  const int kept = event();
  for (int i = 0; i < 10; ++i) {
    const int fd = event();
    copy(fd, 200 + i);
    shut(fd);
  }
  copy(kept, 210);
  CHECK(syscall(SYS_close_range, 203U, 210U, 0U) == 0);
  for (int i = 3; i <= 10; ++i) closed(200 + i);
  CHECK(syscall(SYS_close_range, 201U, 201U, CLOSE_RANGE_UNSHARE) == 0);
  closed(201);
  end();
}
