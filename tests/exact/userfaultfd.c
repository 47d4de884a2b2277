// userfaultfd(2), where it is allowed; else a failing call is all there is.
// on seccomp no stack of faults: more than one opening may be meant
#include <linux/userfaultfd.h>

#include "exact.h"

OPENER int faults(void) {
  const int fd = (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
  return fd < 0 ? fd : opened(fd, __func__);
}

int main(void) {
  begin();
  faults();
  const int fd = faults();
  if (fd >= 0) shut(fd);
  end();
}
