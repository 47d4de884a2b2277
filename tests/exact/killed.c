// A child that a signal ends: what it had open alone is gone with it, what it shared is not.
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_child(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  event();
  const pid_t parent = outer_pid();
  const pid_t child = fork();
  if (child == 0) {
    inherit(parent);
    of_the_child();
    of_the_child();
    post(0, 1);
    rest();
  }
  wait_for(0, 1);
  linger(300);
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  process_gone(child);
  end();
}
