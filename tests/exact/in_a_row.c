// Openings of the same kinds one after the other, by different functions: no other call tells their numbers apart.
// on seccomp every stack: one thread opens, so each number is known
#include "exact.h"

OPENER int one(void) { return opened(open("/dev/null", O_RDONLY), __func__); }
OPENER int two(void) { return opened(open("/dev/null", O_RDONLY), __func__); }
OPENER int by_link(void) { return opened(open("/proc/self", O_RDONLY | O_DIRECTORY), __func__); }
OPENER int without_name(void) { return opened(open("/tmp", O_TMPFILE | O_RDWR, 0600), __func__); }
OPENER void ends(void) {
  int pair[2];
  CHECK(pipe(pair) == 0);
  opened(pair[0], __func__);
  opened(pair[1], __func__);
}
OPENER void other_ends(void) {
  int pair[2];
  CHECK(pipe(pair) == 0);
  opened(pair[0], __func__);
  opened(pair[1], __func__);
}
OPENER int unconnected(void) { return opened(socket(AF_INET, SOCK_STREAM, 0), __func__); }
OPENER int another(void) { return opened(socket(AF_INET, SOCK_STREAM, 0), __func__); }

int main(void) {
  begin();
  one();
  const int hole = two();
  CHECK(open("/dev/nothing", O_RDONLY) < 0);
  by_link();
  ends();
  other_ends();
  shut(hole);
  two();
  one();
  without_name();
  unconnected();
  another();
  end();
}
