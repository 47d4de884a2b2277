#include "model/activity.h"

#include <algorithm>

namespace unclosed {

bool outstanding(const ConnectionFacts& facts, bool answers) {
  if (facts.state == TcpState::kSynSent || facts.state == TcpState::kSynRecv) return true;
  // What never happened came before all that did.
  if (facts.role == Role::kServer) return answers && facts.last_receive > facts.last_send;
  return facts.recv_queue == 0 && facts.last_send > facts.last_receive;
}

std::optional<Instant> last_activity(const ConnectionFacts& facts) {
  std::optional<Instant> last = std::max(facts.last_send, facts.last_receive);
  last = std::max(last, facts.connect_finished);
  if (!facts.before_attach) last = std::max(last, std::optional(facts.opened.at));
  return last;
}

}  // namespace unclosed
