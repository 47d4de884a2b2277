// IORING_OP_SOCKET, IORING_OP_CONNECT and IORING_OP_CLOSE.
// unseen where a note says io_uring_submit_req
// on seccomp no stack of ring_up socket_by_ring: what io_uring does is not told, and two openings may be meant
#include <arpa/inet.h>
#include <linux/io_uring.h>

#include "exact.h"

#ifndef IORING_OP_SOCKET
#define IORING_OP_SOCKET 45
#endif

OPENER struct uring* ring_up(void) {
  struct uring* ring = uring_open();
  if (ring) opened(uring_fd(ring), __func__);
  return ring;
}
OPENER int listen_here(uint16_t* port) { return opened(listening(port), __func__); }
OPENER int socket_by_ring(struct uring* ring) {
  const struct uring_request request = {
      .opcode = IORING_OP_SOCKET, .fd = AF_INET, .offset = SOCK_STREAM};
  return opened(uring_do(ring, &request), __func__);
}

int main(void) {
  begin();
  struct uring* ring = ring_up();
  if (ring) {
    uint16_t port;
    listen_here(&port);
    const int fd = socket_by_ring(ring);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct uring_request request = {.opcode = IORING_OP_CONNECT,
                                          .fd = fd,
                                          .address = (uint64_t)(uintptr_t)&address,
                                          .offset = sizeof address};
    CHECK(uring_do(ring, &request) == 0);
    const int gone = socket_by_ring(ring);
    const struct uring_request closing = {.opcode = IORING_OP_CLOSE, .fd = gone};
    CHECK(uring_do(ring, &closing) == 0);
    closed(gone);
  }
  end();
}
