#include "gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lines.h"

Gate::Gate(bool fixed) : fixed_(fixed) {
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

Gate::~Gate() { close(listener_); }

void Gate::stop() { shutdown(listener_, SHUT_RDWR); }

void Gate::run() {
  for (;;) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    admit(socket);
  }
}

void Gate::admit(int socket) {
  const std::string ticket = lines::read(socket);
  if (ticket.empty()) {
    close(socket);
    return;
  }
  if (ticket.rfind("void-", 0) == 0) turn_away(socket, "ticket is void");  // LEAK[used]: gate-caller
  else open_bar(socket, ticket);
}

void Gate::open_bar(int socket, const std::string& ticket) {
  ++opened_;
  lines::write(socket, "OPEN " + ticket);
  close(socket);  // LEAK[closed]: gate-caller
}

void Gate::turn_away(int socket, const std::string& why) {
  ++refused_;
  lines::write(socket, "NO " + why);  // LEAK[used,opened]: gate-accept
  if (fixed_) close(socket);
}
