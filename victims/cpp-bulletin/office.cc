#include "office.h"

#include <zmq.h>

#include <thread>

namespace office {

std::string open() {
  void* context = zmq_ctx_new();
  void* socket = zmq_socket(context, ZMQ_REP);
  zmq_bind(socket, "tcp://127.0.0.1:*");
  char address[128];
  size_t size = sizeof address;
  zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size);
  std::thread([socket] {
    char question[64];
    for (;;) {
      const int got = zmq_recv(socket, question, sizeof question, 0);
      if (got < 0) return;
      const bool tide = got > 0 && question[0] == 'T';
      zmq_send(socket, tide ? "UNKNOWN" : "FREE", tide ? 7 : 4, 0);
    }
  }).detach();
  return address;
}

}  // namespace office
