// dup2(2) onto an open number closes what was there, once it was the last of its file.
// on seccomp no stack of event victim: more than one opening may be meant
// on seccomp no copier of replace: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int victim(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd, int to) { return copied((int)syscall(SYS_dup2, fd, to), fd, __func__); }
OPENER void replace(int fd, int to) {
  const uint32_t file = file_at(fd);
  CHECK(syscall(SYS_dup2, fd, to) == to);
  closed(to);
  adopted(to, file, __func__);
}

int main(void) {
  begin();
  const int fd = event();
  replace(fd, victim());
  const int kept = victim();
  replace(fd, copy(kept, 100));
  CHECK(syscall(SYS_dup2, 999, kept) < 0);  // fails: what was there stays
  end();
}
