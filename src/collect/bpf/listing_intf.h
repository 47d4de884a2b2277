// A row of the bare listing, as the kernel side writes it and the user side reads it. Plain C; no
// padding left to the compiler. Included by listing.bpf.c and listing_side.cc only.
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

enum uc_listed_flags {
  UC_LISTED_SOCKET = 1,
  UC_LISTED_UNLISTED = 2,  // a TCP socket that is closed, or was never used
  UC_LISTED_QUEUES = 4,
  UC_LISTED_TIMES = 8,
};

// `extra` bytes follow: both addresses of IPv6, or the name of a unix socket.
struct uc_listed {
  __u32 process, thread;  // as the first pid namespace numbers them
  __u32 fd;
  __u8 kind, state, flags, family;
  __u16 extra, reserved;
  __u64 inode;
  __u32 recv_queue, send_queue;
  __u32 sent_jiffies, received_jiffies;  // since data went that way
  __u16 local_port, peer_port;           // host byte order
  __u32 local, peer;                     // IPv4
};
