// signalfd4(2), and the call that changes an open one instead of opening.
// on seccomp no stack of open_signals: more than one opening may be meant
#include <sys/signalfd.h>

#include "exact.h"

static int signals(int fd) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  return signalfd(fd, &set, 0);
}
OPENER int open_signals(void) { return opened(signals(-1), __func__); }
OPENER int change_signals(int fd) { return signals(fd); }

int main(void) {
  begin();
  const int fd = open_signals();
  CHECK(change_signals(fd) == fd);
  shut(open_signals());
  end();
}
