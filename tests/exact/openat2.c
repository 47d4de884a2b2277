// openat2(2).
// on seccomp no stack of open_how: more than one opening may be meant
#include <linux/openat2.h>

#include "exact.h"

OPENER int open_how(void) {
  const struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS};
  return opened((int)syscall(SYS_openat2, AT_FDCWD, "/dev/null", &how, sizeof how), __func__);
}

int main(void) {
  begin();
  open_how();
  shut(open_how());
  end();
}
