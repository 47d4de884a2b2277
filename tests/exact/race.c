// One thread opens while another closes, on numbers that they take from each other.
// a storm
// on seccomp no stack of any: more than one opening may be meant
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "exact.h"

enum { TIMES = 50000, KEPT = 30 };

static _Atomic int handed = -1;
static _Atomic int over;

OPENER int quick(void) { return eventfd(0, 0); }
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

static void* closer(void* nothing) {
  while (!atomic_load(&over)) {
    const int fd = atomic_exchange(&handed, -1);
    if (fd >= 0) CHECK(close(fd) == 0);
  }
  return nothing;
}

int main(void) {
  begin();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, closer, NULL) == 0);
  for (int i = 0; i < TIMES; ++i) {
    const int fd = quick();
    CHECK(fd >= 0);
    const int left = atomic_exchange(&handed, fd);
    if (left >= 0) CHECK(close(left) == 0);
    if (i % (TIMES / KEPT) == 0) event();
  }
  atomic_store(&over, 1);
  CHECK(pthread_join(thread, NULL) == 0);
  const int left = atomic_exchange(&handed, -1);
  if (left >= 0) CHECK(close(left) == 0);
  came_and_went(TIMES);
  end();
}
