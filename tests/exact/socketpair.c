// socketpair(2): two descriptors of one call, one of them closed.
#include "exact.h"

OPENER void pair_up(int* ends) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  opened(ends[0], __func__);
  opened(ends[1], __func__);
}

int main(void) {
  begin();
  int ends[2];
  pair_up(ends);
  shut(ends[0]);
  pair_up(ends);
  end();
}
