// timerfd_create(2).
// on seccomp no stack of timer: more than one opening may be meant
#include <sys/timerfd.h>

#include "exact.h"

OPENER int timer(void) { return opened(timerfd_create(CLOCK_MONOTONIC, 0), __func__); }

int main(void) {
  begin();
  timer();
  shut(timer());
  end();
}
