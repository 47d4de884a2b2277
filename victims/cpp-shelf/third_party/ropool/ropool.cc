#include "ropool.h"

#include <unistd.h>

#include "../../../internal/wire/wire.h"

namespace ropool {

Rope* Pool::tie() {
  const int socket = wire::dial(port_);
  return socket < 0 ? nullptr : new Rope{socket};
}

Rope* Pool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!spares_.empty()) {
      Rope* rope = spares_.back();
      spares_.pop_back();
      return rope;
    }
  }
  return tie();
}

std::string Pool::pull(Rope* rope, const std::string& line) { return wire::ask(rope->socket, line); }

void Pool::give(Rope* rope) {
  {
    const std::lock_guard lock(mutex_);
    if (spares_.size() < spare_) {
      spares_.push_back(rope);
      return;
    }
  }
  close(rope->socket);
  delete rope;
}

}  // namespace ropool
