// eventfd2(2), and the older call.
// on seccomp no stack of event older_event: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, EFD_CLOEXEC), __func__); }
OPENER int older_event(void) { return opened((int)syscall(SYS_eventfd, 0), __func__); }

int main(void) {
  begin();
  event();
  shut(event());
  older_event();
  end();
}
