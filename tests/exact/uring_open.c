// IORING_OP_OPENAT and IORING_OP_CLOSE.
// unseen where a note says io_uring_submit_req
// on seccomp no stack of open_by_ring ring_up: what io_uring does is not told, and two openings may be meant
#include <linux/io_uring.h>

#include "exact.h"

OPENER struct uring* ring_up(void) {
  struct uring* ring = uring_open();
  if (ring) opened(uring_fd(ring), __func__);
  return ring;
}
OPENER int open_by_ring(struct uring* ring) {
  const struct uring_request request = {.opcode = IORING_OP_OPENAT,
                                        .fd = AT_FDCWD,
                                        .address = (uint64_t)(uintptr_t) "/dev/null",
                                        .op_flags = O_RDONLY};
  return opened(uring_do(ring, &request), __func__);
}

int main(void) {
  begin();
  struct uring* ring = ring_up();
  if (ring) {
    open_by_ring(ring);
    const int fd = open_by_ring(ring);
    const struct uring_request request = {.opcode = IORING_OP_CLOSE, .fd = fd};
    CHECK(uring_do(ring, &request) == 0);
    closed(fd);
    shut(open_by_ring(ring));
  }
  end();
}
