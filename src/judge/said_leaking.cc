#include "judge/said_leaking.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace unclosed {

namespace {

using OpenOnes = std::unordered_map<ConnectionId, const History*, ConnectionIdHash>;

OpenOnes open_ones(const Histories& histories) {
  OpenOnes open;
  for (const History& history : histories.open) open.emplace(history.facts.id, &history);
  return open;
}

bool used_since(const ConnectionFacts& facts, Instant then) {
  return (facts.last_send && *facts.last_send > then) ||
         (facts.last_receive && *facts.last_receive > then);
}

// Where what a program has left is cleared up as it ends: objects of an interpreter that goes,
// destructors of what lives as long as the program.
bool clears_up(const NamedStack& stack) {
  constexpr std::array<std::string_view, 3> kEnds = {"Py_FinalizeEx", "exit",
                                                     "__run_exit_handlers"};
  return std::any_of(stack.frames.begin(), stack.frames.end(), [&](const NamedFrame& frame) {
    return !frame.own && std::find(kEnds.begin(), kEnds.end(), frame.function) != kEnds.end();
  });
}

}  // namespace

void SaidLeaking::note(const Judgement& judgement, Instant now) {
  for (auto& [fingerprint, entry] : x_by_fingerprint) {
    if (!entry.not_since) entry.not_since = now;
  }
  for (const Finding& finding : judgement.findings) {
    if (finding.verdict == Verdict::kLeaking) {
      x_by_fingerprint[finding.fingerprint] = {finding, now, std::nullopt};
    }
  }
}

// Whether it is still called leaking, by its name or, where another line is blamed by now, by most
// of its connections.
bool SaidLeaking::stands(const Said& entry, const Judgement& last) const {
  std::unordered_set<ConnectionId, ConnectionIdHash> leaking;
  for (const Finding& finding : last.findings) {
    if (finding.verdict != Verdict::kLeaking) continue;
    if (finding.fingerprint == entry.finding.fingerprint) return true;
    for (const auto& one : finding.connections) leaking.insert(one.id);
  }
  const auto& all = entry.finding.connections;
  const auto moved = std::count_if(all.begin(), all.end(), [&](const FoundConnection& one) {
    return leaking.contains(one.id);
  });
  return static_cast<size_t>(moved) * 2 > all.size();
}

std::vector<TakenBack> SaidLeaking::taken_back(const Judgement& last,
                                               const Histories& histories) const {
  const OpenOnes open = open_ones(histories);
  std::vector<TakenBack> result;
  for (const auto& [fingerprint, entry] : x_by_fingerprint) {
    if (stands(entry, last)) continue;
    const Finding& said = entry.finding;
    const auto still =
        std::find_if(last.findings.begin(), last.findings.end(),
                     [&](const Finding& one) { return one.fingerprint == said.fingerprint; });
    TakenBack taken{.fingerprint = fingerprint,
                    .now = still == last.findings.end() ? Verdict::kHealthy : still->verdict,
                    .said_at = entry.at,
                    .kind = said.kind,
                    .peer = said.peer,
                    .blame = said.blame,
                    .count = said.count};
    for (const FoundConnection& one : said.connections) {
      const auto found = open.find(one.id);
      if (found == open.end()) {
        ++taken.closed;
      } else if (used_since(found->second->facts, entry.at)) {
        ++taken.used_again;
      }
    }
    result.push_back(std::move(taken));
  }
  return result;
}

std::vector<Finding> SaidLeaking::lasted(const Judgement& last, const Histories& histories,
                                         const std::vector<LastClose>& closes,
                                         const StackBook& stacks) const {
  constexpr size_t kMostOthers = 10;  // one in so many may have gone another way
  const OpenOnes open = open_ones(histories);
  std::unordered_map<ConnectionId, const LastClose*, ConnectionIdHash> closed;
  for (const LastClose& one : closes) closed.emplace(one.id, &one);
  std::vector<Finding> result;
  for (const auto& [fingerprint, entry] : x_by_fingerprint) {
    if (stands(entry, last)) continue;
    Instant first_close = histories.now;
    size_t at_end = 0, others = 0, cleared_up = 0, by_others = 0;
    for (const FoundConnection& one : entry.finding.connections) {
      const auto left = open.find(one.id);
      const auto close = closed.find(one.id);
      if (left != open.end()) {
        others += used_since(left->second->facts, entry.at) ? 1 : 0;
      } else if (close == closed.end() || close->second->used > entry.at) {
        ++others;
      } else {
        ++at_end;
        first_close = std::min(first_close, close->second->at);
        const auto stack = stacks.find(close->second->by);
        if (stack != stacks.end()) ++(clears_up(stack->second) ? cleared_up : by_others);
      }
    }
    if (at_end == 0 || cleared_up <= by_others) continue;
    if (entry.not_since && *entry.not_since < first_close) continue;
    if (others * kMostOthers > entry.finding.connections.size()) continue;
    result.push_back(entry.finding);
    result.back().evidence.push_back(
        {"lasted-to-the-end", Family::kOwner, true, false,
         fmt::format("{} of {} were closed in the last moment of the process, by what clears up "
                     "behind a program, and not by its code: this is how it stood {:.1f} s before "
                     "the end was noticed",
                     at_end, entry.finding.connections.size(),
                     seconds(histories.now - entry.at))});
  }
  return result;
}

}  // namespace unclosed
