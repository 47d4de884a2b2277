// Visits an HTTP server, one connection for each request, as fast as it can or at a given rate:
//   visits PORT SECONDS [PER_SECOND [CLIENTS]]
// PER_SECOND 0: as fast as it can; CLIENTS visit side by side, each at that rate. Prints how many
// visits were answered, and the CPU time of this program in nanoseconds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

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
  const double rate = argc > 3 ? atof(argv[3]) : 0;
  const int64_t pause = rate > 0 ? static_cast<int64_t>(1e9 / rate) : 0;
  std::atomic<uint64_t> visits = 0, failed = 0;
  const auto client = [&] {
    for (int64_t next = now(CLOCK_MONOTONIC); now(CLOCK_MONOTONIC) < end; next += pause) {
      if (pause) {
        const timespec when{next / 1'000'000'000, next % 1'000'000'000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
      }
      ++(visit(server) ? visits : failed);
    }
  };
  std::vector<std::thread> others;
  for (int i = argc > 4 ? atoi(argv[4]) : 1; i > 1; --i) others.emplace_back(client);
  client();
  for (std::thread& other : others) other.join();
  printf("visits %lu failed %lu cpu %ld\n", visits.load(), failed.load(), now(CLOCK_PROCESS_CPUTIME_ID));
}
