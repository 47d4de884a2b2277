// SCM_RIGHTS with too little room (MSG_CTRUNC): the rest of the batch is dropped by the kernel.
// on seccomp no stack of event: who handed it over is not told, and two openings may be meant
#include <sys/eventfd.h>

#include "exact.h"

enum { MANY = 9, ROOM = 4 };

OPENER void channel(int* ends) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  opened(ends[0], __func__);
  opened(ends[1], __func__);
}
OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(void) {
  begin();
  int ends[2], sent[MANY], came[MANY];
  uint32_t files[MANY];
  channel(ends);
  for (int i = 0; i < MANY; ++i) {
    sent[i] = event();
    files[i] = file_at(sent[i]);
  }
  send_descriptors(ends[0], sent, MANY);
  CHECK(receive_descriptors(ends[1], came, ROOM) == ROOM);
  for (int i = 0; i < ROOM; ++i) adopted(came[i], files[i], "");
  for (int i = 0; i < MANY; ++i) shut(sent[i]);
  end();
}
