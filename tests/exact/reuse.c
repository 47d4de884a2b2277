// A million times the same few numbers, by two openers: none may keep the stack of the one before.
// a storm
// on seccomp no stack of any: more than one opening may be meant
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "exact.h"

enum { TIMES = 1000000, KEPT = 20 };

OPENER int quick(void) { return eventfd(0, 0); }
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int timer(void) { return opened(timerfd_create(CLOCK_MONOTONIC, 0), __func__); }

int main(void) {
  begin();
  for (int i = 0; i < TIMES; ++i) CHECK(close(quick()) == 0);
  came_and_went(TIMES);
  for (int i = 0; i < KEPT; ++i) {
    shut(event());
    timer();
    shut(timer());
    event();
  }
  end();
}
