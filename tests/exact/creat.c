// creat(2), and O_TMPFILE, a file without a name.
// on seccomp no stack of create create_unnamed: more than one opening may be meant
#include "exact.h"

OPENER int create(const char* path) { return opened(syscall(SYS_creat, path, 0600), __func__); }
OPENER int create_unnamed(void) { return opened(open("/tmp", O_TMPFILE | O_RDWR, 0600), __func__); }

int main(void) {
  begin();
  char path[64];
  snprintf(path, sizeof path, "/tmp/unclosed-exact-%d", (int)getpid());
  create(path);
  unlink(path);
  create_unnamed();
  end();
}
