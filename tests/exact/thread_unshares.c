// A thread with a table of its own: its numbers are other files than those of the other threads.
// on seccomp no number of of_the_thread: only the table of the first thread is read
// on proc no number of of_the_thread: only the table of the first thread is read
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int of_main(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_thread(void) { return opened(eventfd(0, 0), __func__); }

static int first;
static void* work(void* nothing) {
  CHECK(unshare(CLONE_FILES) == 0);
  of_the_thread();
  CHECK(close(first) == 0);  // its own copy: the other threads still have theirs
  post(0, 1);
  for (;;) pause();
  return nothing;
}

int main(void) {
  begin();
  first = of_main();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
  wait_for(0, 1);
  end();
}
