// inotify_init1(2).
// on seccomp no stack of watch: more than one opening may be meant
#include <sys/inotify.h>

#include "exact.h"

OPENER int watch(void) { return opened(inotify_init1(0), __func__); }

int main(void) {
  begin();
  watch();
  shut(watch());
  end();
}
