#include "judge/last_closes.h"

#include <algorithm>

namespace unclosed {
namespace {

constexpr Duration kMoment = std::chrono::milliseconds(250);
// A process that has ended is noticed between two scans.
constexpr Duration kNoticedWithin = std::chrono::seconds(1);
constexpr size_t kMost = 65536;

}  // namespace

void LastCloses::accept(const Record& record) {
  if (const auto* closed = std::get_if<Closed>(&record)) {
    const ConnectionFacts& facts = closed->facts;
    x_closes.push_back({facts.id, closed->at, std::max(facts.last_send, facts.last_receive),
                        closed->closed_by.stack});
    while (x_closes.size() > kMost || closed->at - x_closes.front().at > kNoticedWithin) {
      x_closes.pop_front();
    }
  }
  x_next.accept(record);
}

std::vector<LastClose> LastCloses::before(Instant noticed) const {
  std::vector<LastClose> last;
  if (x_closes.empty() || noticed - x_closes.back().at > kNoticedWithin) return last;
  std::copy_if(x_closes.begin(), x_closes.end(), std::back_inserter(last),
               [&](const LastClose& one) { return x_closes.back().at - one.at <= kMoment; });
  return last;
}

}  // namespace unclosed
