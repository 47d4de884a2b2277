// close_range(2) with CLOSE_RANGE_CLOEXEC closes nothing yet.
// on seccomp no stack of event: more than one opening may be meant
#include <linux/close_range.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(int argc, char** argv) {
  if (argc > 1) {
    begin_again();
    event();
    end();
    return 0;
  }
  begin();
  const int first = event();
  event();
  const int last = event();
  CHECK(syscall(SYS_close_range, (unsigned)first + 1, (unsigned)last, CLOSE_RANGE_CLOEXEC) == 0);
  execl("/proc/self/exe", argv[0], "again", NULL);
  CHECK(!"exec");
}
