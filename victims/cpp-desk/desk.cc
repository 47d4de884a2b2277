#include "desk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../internal/traffic/traffic.h"

namespace {

std::string hear(int socket) {
  char buffer[256];
  const ssize_t count = recv(socket, buffer, sizeof buffer, 0);
  return count > 0 ? std::string(buffer, static_cast<size_t>(count)) : std::string();
}

void say(int socket, const std::string& line) {
  const std::string whole = line + "\n";
  send(socket, whole.data(), whole.size(), MSG_NOSIGNAL);
}

}  // namespace

Desk::Desk(bool fixed) : fixed_(fixed) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  listen(listener_, 128);
  socklen_t length = sizeof address;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
}

int Desk::work() {
  while (!traffic::stopping) {
    pollfd waiting = {listener_, POLLIN, 0};
    poll(&waiting, 1, 500);
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) answer(socket);
  }
  return 0;
}

void Desk::answer(int socket) {
  const std::string topic = hear(socket);
  if (topic.rfind("contract-", 0) == 0) {
    put_on_hold(socket, topic);  // LEAK[used]: desk-caller
    return;
  }
  if (!topic.empty()) say(socket, "have you tried to turn it off and on");
  close(socket);
}

void Desk::put_on_hold(int socket, const std::string& topic) {
  ++on_hold_;
  say(socket, "you are number " + std::to_string(on_hold_) + " with " + topic.substr(0, 8));  // LEAK[used]: desk-hold
  if (fixed_) close(socket);
}
