#include "collect/bpf/older_sockets.h"

#include "collect/sockdiag/sockdiag.h"

namespace unclosed {

void OlderSockets::learn(const ProcessId& process) {
  const auto kernel = SockDiag::open(process);
  if (!kernel || !x_namespaces.insert(kernel->network_namespace()).second) return;
  const Instant now = monotonic_now();
  const auto dump = kernel->dump();
  if (!dump) return;
  for (const SocketFact& socket : dump->sockets) {
    Times times;
    // The kernel's clocks of a connection start with it: only what moved bytes says when.
    if (socket.since_sent && socket.bytes_sent.value_or(0) > 0) {
      times.sent = now - *socket.since_sent;
    }
    if (socket.since_received && socket.bytes_received.value_or(0) > 0) {
      times.received = now - *socket.since_received;
    }
    if (times.sent || times.received) x_times[socket.inode] = times;
  }
}

void OlderSockets::complete(ConnectionFacts& facts) const {
  if (!facts.before_attach || facts.last_send || facts.last_receive) return;
  const auto known = x_times.find(facts.inode);
  if (known == x_times.end()) return;
  facts.last_send = known->second.sent;
  facts.last_receive = known->second.received;
}

}  // namespace unclosed
