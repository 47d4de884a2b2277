// posix_spawn(3) with actions on descriptors: they happen in the child.
#include <spawn.h>
#include <sys/eventfd.h>

#include "exact.h"

OPENER int event(void) { return opened(eventfd(0, 0), __func__); }

int main(int argc, char** argv) {
  if (argc > 1) {
    begin_again();
    adopted(90, (uint32_t)atoi(argv[1]), "");
    post(0, 1);
    rest();
  }
  begin();
  const int fd = event();
  CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, fd, 90) == 0);
  char file[16];
  snprintf(file, sizeof file, "%u", file_at(fd));
  char* arguments[] = {argv[0], file, NULL};
  extern char** environ;
  pid_t child;
  CHECK(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) == 0);
  wait_for(0, 1);
  end();
}
