// pipe(2) and pipe2(2).
// on seccomp no stack of lay lay_with_flags: more than one opening may be meant
#include "exact.h"

OPENER void lay(int* ends) {
  CHECK(syscall(SYS_pipe, ends) == 0);
  opened(ends[0], __func__);
  opened(ends[1], __func__);
}
OPENER void lay_with_flags(int* ends) {
  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  opened(ends[0], __func__);
  opened(ends[1], __func__);
}

int main(void) {
  begin();
  int ends[2];
  lay(ends);
  shut(ends[1]);
  lay_with_flags(ends);
  shut(ends[0]);
  end();
}
