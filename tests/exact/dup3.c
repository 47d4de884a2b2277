// dup3(2), to a free number and onto an open one.
// on seccomp no stack of event: more than one opening may be meant
// on seccomp no copier of replace: more than one opening may be meant
// on seccomp copy may stand for replace: each number has the copier that made it, not the last of its file
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int victim(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd, int to) { return copied(dup3(fd, to, O_CLOEXEC), fd, __func__); }
OPENER void replace(int fd, int to) {
  const uint32_t file = file_at(fd);
  CHECK(dup3(fd, to, 0) == to);
  closed(to);
  adopted(to, file, __func__);
}

int main(void) {
  begin();
  const int fd = event();
  copy(fd, 77);
  const int there = victim();
  replace(fd, there);
  end();
}
