// A child that ends by itself, at once and later, with descriptors open.
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int of_the_child(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  event();
  const pid_t parent = outer_pid();
  for (int i = 0; i < 5; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      inherit(parent);
      of_the_child();
      if (i > 2) linger(300);
      _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    process_gone(child);
  }
  end();
}
