// A 32-bit program: its system calls are of another table, which the hooks do not see. Found, and
// said.
// build -m32
// expect note 32-bit
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened_unseen(eventfd(0, 0)); }
OPENER int tcp(void) { return opened_unseen(socket(AF_INET, SOCK_STREAM, 0)); }

int main(void) {
  begin();
  event();
  const int fd = tcp();
  tcp();
  linger(300);
  shut(fd);
  end();
}
