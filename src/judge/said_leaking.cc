#include "judge/said_leaking.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace unclosed {

void SaidLeaking::note(const Judgement& judgement, Instant now) {
  for (const Finding& finding : judgement.findings) {
    if (finding.verdict != Verdict::kLeaking) continue;
    Said& entry = x_by_fingerprint[finding.fingerprint];
    entry.said = {.fingerprint = finding.fingerprint,
                  .said_at = now,
                  .kind = finding.kind,
                  .peer = finding.peer,
                  .blame = finding.blame,
                  .count = finding.count};
    entry.connections.clear();
    for (const auto& one : finding.connections) entry.connections.push_back(one.id);
  }
}

std::vector<TakenBack> SaidLeaking::taken_back(const Judgement& last,
                                               const Histories& histories) const {
  std::unordered_map<ConnectionId, const History*, ConnectionIdHash> open;
  for (const History& history : histories.open) open.emplace(history.facts.id, &history);
  std::unordered_set<ConnectionId, ConnectionIdHash> leaking;
  std::map<std::string, Verdict> verdicts;
  for (const Finding& finding : last.findings) {
    verdicts.emplace(finding.fingerprint, finding.verdict);
    if (finding.verdict != Verdict::kLeaking) continue;
    for (const auto& one : finding.connections) leaking.insert(one.id);
  }
  std::vector<TakenBack> result;
  for (const auto& [fingerprint, entry] : x_by_fingerprint) {
    const auto still = verdicts.find(fingerprint);
    if (still != verdicts.end() && still->second == Verdict::kLeaking) continue;
    const auto moved = std::count_if(entry.connections.begin(), entry.connections.end(),
                                     [&](const ConnectionId& id) { return leaking.contains(id); });
    if (static_cast<size_t>(moved) * 2 > entry.connections.size()) continue;
    TakenBack taken = entry.said;
    taken.now = still == verdicts.end() ? Verdict::kHealthy : still->second;
    for (const ConnectionId& id : entry.connections) {
      const auto found = open.find(id);
      if (found == open.end()) {
        ++taken.closed;
        continue;
      }
      const ConnectionFacts& facts = found->second->facts;
      if ((facts.last_send && *facts.last_send > taken.said_at) ||
          (facts.last_receive && *facts.last_receive > taken.said_at))
        ++taken.used_again;
    }
    result.push_back(std::move(taken));
  }
  return result;
}

}  // namespace unclosed
