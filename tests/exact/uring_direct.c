// Direct descriptors of io_uring: files in a table of the ring, which no table of descriptors
// shows.
// expect note 3 .*in no table
// on seccomp no stack of ring_up: what io_uring does is not told, and two openings may be meant
#include <linux/io_uring.h>

#include "exact.h"

OPENER struct uring* ring_up(void) {
  struct uring* ring = uring_open();
  if (ring) opened(uring_fd(ring), __func__);
  return ring;
}
OPENER void open_direct(struct uring* ring, uint32_t slot) {
  const struct uring_request request = {.opcode = IORING_OP_OPENAT,
                                        .fd = AT_FDCWD,
                                        .address = (uint64_t)(uintptr_t) "/dev/null",
                                        .op_flags = O_RDONLY,
                                        .slot = slot + 1};
  CHECK(uring_do(ring, &request) == 0);
}

int main(void) {
  begin();
  struct uring* ring = ring_up();
  if (ring) {
    uring_register_slots(ring, 8);
    for (uint32_t slot = 0; slot < 4; ++slot) open_direct(ring, slot);
    const struct uring_request request = {.opcode = IORING_OP_CLOSE, .slot = 2};
    CHECK(uring_do(ring, &request) == 0);
  }
  end();
}
