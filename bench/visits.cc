// Visits an HTTP server, one connection for each request, as fast as it can or at a given rate:
//   visits PORT SECONDS [PER_SECOND]
// Prints how many visits were answered, and the CPU time of this program in nanoseconds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

int64_t now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

bool visit(const sockaddr_in& server) {
  static const char kRequest[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool answered = false;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) == 0 &&
      send(fd, kRequest, sizeof(kRequest) - 1, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(kRequest) - 1)) {
    char answer[4096];
    while (recv(fd, answer, sizeof(answer), 0) > 0) answered = true;
  }
  close(fd);
  return answered;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(atoi(argv[1])));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int64_t end = now(CLOCK_MONOTONIC) + static_cast<int64_t>(atof(argv[2]) * 1e9);
  const int64_t pause = argc > 3 ? static_cast<int64_t>(1e9 / atof(argv[3])) : 0;
  uint64_t visits = 0, failed = 0;
  for (int64_t next = now(CLOCK_MONOTONIC); now(CLOCK_MONOTONIC) < end; next += pause) {
    if (pause) {
      const timespec when{next / 1'000'000'000, next % 1'000'000'000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
    }
    ++(visit(server) ? visits : failed);
  }
  printf("visits %lu failed %lu cpu %ld\n", visits, failed, now(CLOCK_PROCESS_CPUTIME_ID));
}
