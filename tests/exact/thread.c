// Threads share a table: one opens, another closes.
// on seccomp no stack of of_main of_the_thread: more than one opening may be meant
#include <pthread.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int of_the_thread(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_main(void) { return opened(eventfd(0, 0), __func__); }

static int first, second;
static void* work(void* nothing) {
  first = of_the_thread();
  of_the_thread();
  shut(second);
  return nothing;
}

int main(void) {
  begin();
  second = of_main();
  of_main();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  shut(first);
  end();
}
