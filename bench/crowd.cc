// A pre-forked server that holds many live connections, and the clients that hold the other ends.
// usage: crowd PROCESSES CONNECTIONS_EACH
// Prints "servers PID…" when every worker is up and waits for a line on its input; then the clients connect, each
// worker through a call chain of its own, and "connected N by PID…" follows. Ends when its input does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

sockaddr_in address_of(int worker, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(worker) + 1);
  address.sin_port = htons(port);
  return address;
}

[[gnu::noinline]] int take_connection(int listener) { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); }

[[noreturn]] void serve(int listener, int connections, int done) {
  for (int i = 0; i < connections; ++i) {
    if (take_connection(listener) < 0) ::perror("accept");
  }
  (void)!::write(done, "x", 1);
  for (;;) ::pause();
}

[[noreturn]] void connect_all(const sockaddr_in& address, int connections) {
  for (int i = 0; i < connections; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ::perror("connect");
  }
  for (;;) ::pause();
}

pid_t spawn() {
  const pid_t pid = ::fork();
  if (pid == 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return pid;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int processes = std::atoi(argv[1]), connections = std::atoi(argv[2]);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  int done[2];
  if (::pipe(done) != 0) return 1;
  std::vector<sockaddr_in> addresses;
  std::vector<pid_t> children;
  std::printf("servers");
  for (int worker = 0; worker < processes; ++worker) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = address_of(worker, 0);
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 4096) != 0) return 1;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    addresses.push_back(address);
    const pid_t pid = spawn();
    if (pid == 0) serve(listener, connections, done[1]);
    ::close(listener);
    children.push_back(pid);
    std::printf(" %d", pid);
  }
  std::printf("\n");
  std::fflush(stdout);
  char line[16];
  if (std::fgets(line, sizeof line, stdin) == nullptr) return 1;
  for (const sockaddr_in& address : addresses) {
    const pid_t pid = spawn();
    if (pid == 0) connect_all(address, connections);
    children.push_back(pid);
  }
  for (int i = 0; i < processes; ++i) (void)!::read(done[0], line, 1);
  std::printf("connected %d by", processes * connections);
  for (size_t i = addresses.size(); i < children.size(); ++i) std::printf(" %d", children[i]);
  std::printf("\n");
  std::fflush(stdout);
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
  }
  for (const pid_t pid : children) ::kill(pid, SIGKILL);
  while (::wait(nullptr) > 0) {
  }
}
