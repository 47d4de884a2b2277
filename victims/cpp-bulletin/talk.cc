#include "talk.h"

#include <zmq.h>

Talk::Talk(const std::string& address) : context_(zmq_ctx_new()) {
  socket_ = zmq_socket(context_, ZMQ_REQ);  // LEAK[opened]: bulletin-talk
  zmq_connect(socket_, address.c_str());
}

std::string Talk::ask(const std::string& question) const {
  zmq_send(socket_, question.data(), question.size(), 0);
  char answer[64];
  const int size = zmq_recv(socket_, answer, sizeof answer, 0);
  return size < 0 ? "" : std::string(answer, static_cast<size_t>(size));
}

void Talk::end() {
  zmq_close(socket_);
  zmq_ctx_term(context_);
}
