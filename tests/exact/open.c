// open(2), one that fails, and one that is closed again.
#include "exact.h"

OPENER int open_null(void) { return opened(syscall(SYS_open, "/dev/null", O_RDONLY), __func__); }
OPENER int open_zero(void) { return opened(syscall(SYS_open, "/dev/zero", O_RDONLY), __func__); }

int main(void) {
  begin();
  open_null();
  CHECK(syscall(SYS_open, "/nonexistent/file", O_RDONLY) < 0);
  shut(open_zero());
  open_zero();
  end();
}
