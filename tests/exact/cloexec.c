// exec(2) closes what is marked so, without a system call.
// on seccomp no stack of after kept: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int kept(void) { return opened(eventfd(0, 0), __func__); }
OPENER int marked(void) { return opened(eventfd(0, EFD_CLOEXEC), __func__); }
OPENER int after(void) { return opened(eventfd(0, 0), __func__); }

int main(int argc, char** argv) {
  if (argc > 1) {
    begin_again();
    after();
    end();
    return 0;
  }
  begin();
  kept();
  marked();
  marked();
  execl("/proc/self/exe", argv[0], "again", NULL);
  CHECK(!"exec");
}
