// dup(2): the copy has the opener of the first, and the last descriptor of all ends the file.
// on seccomp no stack of event: more than one opening may be meant
// on seccomp no copier of copy: more than one opening may be meant
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }
OPENER int copy(int fd) { return copied(dup(fd), fd, __func__); }

int main(void) {
  begin();
  const int first = event();
  copy(first);
  shut(first);
  const int second = event();
  const int other = copy(second);
  shut(second);
  shut(other);
  copy(event());
  end();
}
