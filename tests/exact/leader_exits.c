// The first thread ends while another goes on: the table is then that of the others.
// on seccomp no number of any: only the table of the first thread is read
// on proc no number of any: only the table of the first thread is read
#include <pthread.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int of_main(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_thread(void) { return opened(eventfd(0, 0), __func__); }

static void* work(void* nothing) {
  linger(100);
  of_the_thread();
  shut(of_the_thread());
  end();
  _exit(0);
  return nothing;
}
static void* idle(void* nothing) {
  for (;;) pause();
  return nothing;
}

int main(void) {
  begin();
  of_main();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
  CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
  pthread_exit(NULL);
}
