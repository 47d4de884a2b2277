// openat(2), by a path and below a directory.
#include "exact.h"

OPENER int open_directory(void) {
  return opened(openat(AT_FDCWD, "/proc/self", O_RDONLY | O_DIRECTORY), __func__);
}
OPENER int open_below(int directory) {
  return opened(openat(directory, "stat", O_RDONLY), __func__);
}

int main(void) {
  begin();
  const int directory = open_directory();
  open_below(directory);
  shut(directory);
  end();
}
