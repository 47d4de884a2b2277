// timerfd_create(2).
#include <sys/timerfd.h>

#include "exact.h"

OPENER int timer(void) { return opened(timerfd_create(CLOCK_MONOTONIC, 0), __func__); }

int main(void) {
  begin();
  timer();
  shut(timer());
  end();
}
