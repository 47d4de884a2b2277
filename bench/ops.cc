// Does one thing over and over, so that what a hook costs can be divided by how often it ran:
//   ops open N       opens and closes N sockets, a thousand at a time
//   ops request N    N times: a request on a TCP connection to itself, answered in two pieces
//   ops syscall N    N system calls that nobody looks at; prints how many nanoseconds one took
// Waits for a line on standard input before it begins, prints `done` and waits for another before it ends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

[[gnu::noinline]] int open_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  asm volatile("" ::: "memory");  // no tail call
  return fd;
}

[[gnu::noinline]] void open_and_close(long times) {
  static int open[1000];
  for (long i = 0; i < times;) {
    long held = 0;
    for (; held < 1000 && i < times; ++held, ++i) open[held] = open_socket();
    for (long k = 0; k < held; ++k) close(open[k]);
  }
}

struct Pair {
  int client, server;
};

Pair connected_pair() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  listen(listener, 1);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  Pair pair{};
  pair.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connect(pair.client, reinterpret_cast<sockaddr*>(&address), sizeof address);
  pair.server = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int on = 1;
  setsockopt(pair.server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  close(listener);
  return pair;
}

[[gnu::noinline]] bool exchange(const Pair& pair) {
  char piece[64] = "request";
  return send(pair.client, piece, 16, MSG_NOSIGNAL) == 16 && recv(pair.server, piece, 16, MSG_WAITALL) == 16 &&
         send(pair.server, piece, 32, MSG_NOSIGNAL) == 32 && recv(pair.client, piece, 16, 0) == 16 &&
         recv(pair.client, piece, 16, 0) == 16;
}

void requests(long times) {
  const Pair pair = connected_pair();
  for (long i = 0; i < times && exchange(pair); ++i) {
  }
}

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

void system_calls(long times) {
  const double began = now();
  for (long i = 0; i < times; ++i) syscall(SYS_getppid);
  printf("each %.2f\n", (now() - began) / static_cast<double>(times));
}

void wait_for_line() {
  char line[16];
  if (fgets(line, sizeof line, stdin) == nullptr) exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const long times = atol(argv[2]);
  puts("ready");
  fflush(stdout);
  wait_for_line();
  if (strcmp(argv[1], "open") == 0) open_and_close(times);
  if (strcmp(argv[1], "request") == 0) requests(times);
  if (strcmp(argv[1], "syscall") == 0) system_calls(times);
  puts("done");
  fflush(stdout);
  wait_for_line();
}
