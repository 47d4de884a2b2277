#include "ledger/activity.h"

namespace unclosed {

bool outstanding_use(const ConnectionFacts& facts) {
  if (!facts.last_send && !facts.last_receive) return facts.state == TcpState::kSynSent;
  if (facts.role == Role::kServer) {
    return facts.last_receive && (!facts.last_send || *facts.last_receive > *facts.last_send);
  }
  return facts.recv_queue == 0 && facts.last_send &&
         (!facts.last_receive || *facts.last_send > *facts.last_receive);
}

std::optional<Instant> last_use(const ConnectionFacts& facts) {
  std::optional<Instant> last;
  const auto later = [&](const std::optional<Instant>& at) {
    if (at && (!last || *at > *last)) last = at;
  };
  if (!facts.before_attach) later(facts.opened.at);
  later(facts.connect_finished);
  later(facts.last_send);
  later(facts.last_receive);
  return last;
}

}  // namespace unclosed
