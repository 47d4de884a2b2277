// One question to the kernel's lists of sockets, and its answers (NETLINK_SOCK_DIAG). For this
// folder only. One thread at a time for each socket.
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/connection.h"

namespace unclosed {

// In the calling thread's network namespace.
Result<Fd> netlink_socket();

// kInterrupted: the lists changed meanwhile, and some sockets may be missing.
enum class NetlinkAnswer { kDone, kInterrupted };

// Asks once; calls `take` with the payload of each message.
Result<NetlinkAnswer> ask_netlink(int socket, Bytes request,
                                  const std::function<void(Bytes)>& take);

// Calls `take` for each attribute that is wholly inside `attributes`.
void each_attribute(Bytes attributes, const std::function<void(uint16_t, Bytes)>& take);

// `extensions`: attributes wanted, as bits of idiag_ext. Only sockets that a descriptor can refer
// to: no TIME_WAIT, no half-made ones.
inet_diag_req_v2 inet_request(uint8_t family, uint8_t protocol, uint8_t extensions);

// The kernel counts in sequence numbers, and SYN and FIN take one each: bytes alone.
struct TcpQueues {
  uint64_t unread = 0, unacknowledged = 0;
};
TcpQueues without_control(TcpState state, TcpQueues counted);
// Where the peer's FIN has arrived: it counts in the receive queue until it is read.
bool peer_has_ended(TcpState state);

}  // namespace unclosed
