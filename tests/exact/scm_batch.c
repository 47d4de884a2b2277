// SCM_RIGHTS of a batch, to oneself: every number that comes is another descriptor of a known file.
// on seccomp no stack of any: who handed it over is not told, and two openings may be meant
#include <sys/eventfd.h>

#include "exact.h"

enum { MANY = 20 };

OPENER void channel(int* ends) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  opened(ends[0], __func__);
  opened(ends[1], __func__);
}
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  int ends[2], sent[MANY], came[MANY];
  channel(ends);
  for (int i = 0; i < MANY; ++i) sent[i] = event();
  send_descriptors(ends[0], sent, MANY);
  CHECK(receive_descriptors(ends[1], came, MANY) == MANY);
  for (int i = 0; i < MANY; ++i) copied(came[i], sent[i], "");
  for (int i = 0; i < MANY; i += 2) shut(sent[i]);
  for (int i = 0; i < MANY; i += 4) shut(came[i]);
  end();
}
