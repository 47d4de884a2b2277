#include "meters.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace {

// The next line; empty when the meter has gone.
std::string next_line(int socket) {
  std::string line;
  char letter = 0;
  while (recv(socket, &letter, 1, 0) == 1) {
    if (letter == '\n') return line;
    line += letter;
  }
  return {};
}

bool say(int socket, const std::string& line) {
  const std::string bytes = line + "\n";
  return send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

Meters::Meters(bool fixed) : fixed_(fixed) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  listen(listener_, 128);
  socklen_t length = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
}

Meters::~Meters() { close(listener_); }

void Meters::stop() { shutdown(listener_, SHUT_RDWR); }

void Meters::run() {
  for (;;) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    if (fixed_) watch_over(socket);
    std::thread(attend, socket).detach();
  }
}

// Asks a silent meter whether it is still there.
void Meters::watch_over(int socket) const {
  const int one = 1;
  const int two = 2;
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &two, sizeof two);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof one);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &two, sizeof two);
}

void Meters::attend(int socket) {
  for (;;) {
    const std::string reading = next_line(socket);
    if (reading.empty() || !record(socket, reading)) break;  // LEAK[used]: meter-attend
  }
  close(socket);
}

bool Meters::record(int socket, const std::string& reading) {
  return say(socket, "noted " + reading);  // LEAK[used]: meter-record
}
