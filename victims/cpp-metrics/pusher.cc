#include "pusher.h"

#include <unistd.h>

#include "../internal/wire/wire.h"

std::string Pusher::put(int socket, const std::string& name, double value) {
  return wire::ask(socket, "PUT " + name + " " + std::to_string(value));
}

bool Pusher::push(const std::string& name, double value) const {
  const int socket = wire::dial(port_);
  if (socket < 0) return false;
  const bool taken = put(socket, name, value) == "OK";
  close(socket);
  return taken;
}

bool Pusher::push_batch(const std::vector<std::string>& names) const {
  const int socket = wire::dial(port_);  // LEAK[opened]: metrics-batch
  if (socket < 0) return false;
  for (const auto& name : names) {
    const std::string answer = put(socket, "batch." + name, 1);  // LEAK[used]: metrics-batch
    if (answer.rfind("SLOW", 0) == 0) {
      if (fixed_) break;
      return false;  // and the connection stays
    }
  }
  close(socket);
  return true;
}
