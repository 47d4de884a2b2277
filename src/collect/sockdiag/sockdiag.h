// What the kernel says of the sockets of one network namespace: state, queues, times, peers, by
// inode (NETLINK_SOCK_DIAG). It cannot know which process holds a socket, nor sockets that are in
// no list of the kernel: a TCP socket that was reset, timed out, or never bound or connected is
// absent, and that absence is a fact. TIME_WAIT and other sockets that no descriptor refers to are
// left out. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "collect/sockdiag/socket_table.h"
#include "model/connection.h"
#include "model/process.h"

namespace unclosed {

struct SocketFact {
  uint64_t inode = 0;
  uint64_t cookie = 0;  // never reused while the machine runs
  Kind kind = Kind::kOther;
  TcpState state = TcpState::kNone;  // TCP; kListen and kEstablished of unix sockets too
  bool listening = false;
  uint32_t uid = 0;         // of who made it; 0 for unix sockets
  Endpoint local, peer;     // TCP and UDP
  std::string name;         // own path of a unix socket; abstract ones begin with '@'; "" unnamed
  std::string peer_name;    // the peer's, e.g. of the server that a client is connected to
  uint64_t peer_inode = 0;  // of a connected unix socket, else 0
  uint64_t recv_queue = 0;  // bytes not read; connections not accepted where it listens
  uint64_t send_queue = 0;  // bytes not acknowledged, or not read by a unix peer
  // From here on TCP only; absent while it listens, and from kernels that do not tell.
  std::optional<Duration> since_sent, since_received;  // data, not acknowledgements
  // Where the peer's FIN has arrived: whether all before it was read. A receive that got the last
  // bytes may have taken the FIN along, so the application need not have been told yet.
  std::optional<bool> read_to_end;
  std::optional<uint64_t> bytes_sent, bytes_received;
  uint32_t unacked = 0;            // segments
  uint32_t unanswered_probes = 0;  // retransmissions, window probes or keep-alives in a row
  bool keepalive = false;          // the keep-alive timer is the one that runs now
};

struct SocketDump {
  std::vector<SocketFact> sockets;  // by inode, ascending
  bool complete = true;             // false: the lists kept changing, some sockets may be missing
  std::vector<std::string> notes;   // what could not be asked, in sentences
};

class SockDiag {
 public:
  // For the network namespace that `process` is in now. The calling thread's own namespace never
  // changes. kDenied: entering another namespace needs CAP_SYS_ADMIN, and looking at another
  // user's process CAP_SYS_PTRACE.
  static Result<SockDiag> open(const ProcessId& process);
  // For our own namespace; needs no privilege.
  static Result<SockDiag> open_own();

  // Inode of the namespace: processes with the same one share their sockets' numbers and ports.
  uint64_t network_namespace() const { return x_namespace; }
  Result<SocketDump> dump() const;
  // The same in brief, several times as fast. Where it is incomplete, its notes say so.
  Result<SocketTable> table() const;

 private:
  SockDiag(Fd socket, uint64_t network_namespace)
      : x_socket(std::move(socket)), x_namespace(network_namespace) {}

  Fd x_socket;
  uint64_t x_namespace = 0;
};

}  // namespace unclosed
