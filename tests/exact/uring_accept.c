// IORING_OP_ACCEPT, of a connection that waits and of one that comes later.
// unseen where a note says io_uring_submit_req
// on seccomp no stack of accept_by_ring ring_up: what io_uring does is not told, and two openings may be meant
#include <linux/io_uring.h>

#include "exact.h"

OPENER struct uring* ring_up(void) {
  struct uring* ring = uring_open();
  if (ring) opened(uring_fd(ring), __func__);
  return ring;
}
OPENER int listen_here(uint16_t* port) { return opened(listening(port), __func__); }
OPENER int dial_out(uint16_t port) {
  const int fd = opened(socket(AF_INET, SOCK_STREAM, 0), __func__);
  dial(fd, port);
  return fd;
}
OPENER int accept_by_ring(struct uring* ring, int listener) {
  const struct uring_request request = {.opcode = IORING_OP_ACCEPT, .fd = listener};
  return opened(uring_do(ring, &request), __func__);
}

int main(void) {
  begin();
  struct uring* ring = ring_up();
  if (ring) {
    uint16_t port;
    const int listener = listen_here(&port);
    dial_out(port);
    accept_by_ring(ring, listener);
    const pid_t parent = outer_pid();
    if (fork() == 0) {  // dials when the ring already waits
      inherit(parent);
      usleep(50000);
      dial_out(port);
      rest();
    }
    accept_by_ring(ring, listener);
    usleep(50000);
  }
  end();
}
