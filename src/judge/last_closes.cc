#include "judge/last_closes.h"

#include <algorithm>

namespace unclosed {
namespace {

// A busy machine stretches both the clearing up behind a program and the time until its end is
// noticed, between two scans.
constexpr Duration kMoment = std::chrono::seconds(1);
constexpr size_t kMost = 65536;

}  // namespace

void LastCloses::accept(const Record& record) {
  if (const auto* closed = std::get_if<Closed>(&record)) {
    const ConnectionFacts& facts = closed->facts;
    x_closes.push_back({facts.id, closed->at, std::max(facts.last_send, facts.last_receive),
                        closed->closed_by.stack});
    while (x_closes.size() > kMost || closed->at - x_closes.front().at > kMoment) {
      x_closes.pop_front();
    }
  }
  x_next.accept(record);
}

std::vector<LastClose> LastCloses::before(Instant noticed) const {
  if (x_closes.empty() || noticed - x_closes.back().at > kMoment) return {};
  return {x_closes.begin(), x_closes.end()};
}

}  // namespace unclosed
