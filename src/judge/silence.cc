#include "judge/silence.h"

#include <algorithm>
#include <map>

namespace unclosed {
namespace {

constexpr uint64_t kRhythm = 3;  // answers from which on a connection has a rhythm of its own

// Connections accepted on one port whose last answer was given by the same code.
struct Way {
  double lively = 0;  // speak still, or said goodbye soon after their last word
  std::vector<Member*> silent;
};
using WayKey = std::pair<std::string, StackId>;

bool accepted(const ConnectionFacts& facts) {
  return facts.role == Role::kServer && facts.kind == Kind::kTcp;
}

// The code of the last answer; nullopt where it was not seen, or has no rhythm yet.
std::optional<StackId> rhythm_of(const ConnectionFacts& facts) {
  if (facts.request_count < kRhythm || !facts.requests[0]) return std::nullopt;
  if (facts.requests[0]->stack == kNoStack) return std::nullopt;
  return facts.requests[0]->stack;
}

bool nobody_asks(const Member& member) {
  const auto& facts = *member.facts;
  return accepted(facts) && facts.state == TcpState::kEstablished && !facts.keepalive &&
         !member.waiting && !member.gone_at && facts.recv_queue == 0 && facts.send_queue == 0;
}

bool beyond_its_like(const Scene& scene, const Member& member) {
  const auto& group = scene.siblings_of(member);
  const Policy& policy = scene.policy;
  const auto far = [&](Duration usual) { return from_seconds(seconds(usual) * policy.far_factor); };
  // What was said before the attach is not known: only a much longer silence tells.
  const Duration floor =
      member.facts->request_count == 0 ? far(policy.long_floor) : silence_floor(policy);
  const Duration usual = group.usual_idle.value_or(Duration{});
  return member.idle > std::max({floor, group.far, 4 * usual, far(member.facts->longest_idle_gap)});
}

// How many on each port were used again, or closed, after a long silence: there silence ends.
std::map<std::string, double> ended_silences(const Scene& scene) {
  std::map<std::string, double> late;
  const Duration half = silence_floor(scene.policy) / 4;
  for (const auto& group : scene.siblings) {
    if (group.role != Role::kServer) continue;
    double& count = late[group.peer];
    for (const auto& reuse : group.reuses) count += reuse.used_at - reuse.idle_since > half ? 1 : 0;
    for (const auto* cohort : group.cohorts) {
      for (const auto& sample : cohort->samples) {
        const auto last = last_activity(sample.facts);
        count += last && sample.closed_at - *last > half ? 1 : 0;
      }
    }
  }
  return late;
}

std::map<WayKey, Way> ways_of(Scene& scene) {
  std::map<WayKey, Way> ways;
  for (const auto& group : scene.siblings) {
    if (group.role != Role::kServer) continue;
    for (const auto* cohort : group.cohorts) {
      if (cohort->samples.empty()) continue;
      const double each =
          static_cast<double>(cohort->closed) / static_cast<double>(cohort->samples.size());
      for (const auto& sample : cohort->samples) {
        const auto code = rhythm_of(sample.facts);
        const auto last = last_activity(sample.facts);
        if (!code || !last || sample.closed_at - *last > scene.policy.settled_floor()) continue;
        ways[{group.peer, *code}].lively += std::max(each, 1.0);
      }
    }
  }
  for (auto& member : scene.members) {
    const auto code = rhythm_of(*member.facts);
    if (!accepted(*member.facts) || !code) continue;
    Way& way = ways[{scene.siblings_of(member).peer, *code}];
    if (nobody_asks(member) && beyond_its_like(scene, member)) {
      way.silent.push_back(&member);
    } else if (member.idle <= scene.policy.settled_floor()) {
      way.lively += 1;
    }
  }
  return ways;
}

}  // namespace

Duration silence_floor(const Policy& policy) { return 4 * policy.long_floor; }

void mark_silent(Scene& scene) {
  const bool any = std::any_of(scene.members.begin(), scene.members.end(), [&](const Member& it) {
    return nobody_asks(it) && beyond_its_like(scene, it);
  });
  if (!any) return;
  const auto late = ended_silences(scene);
  std::map<std::string, double> lively;
  const auto waits_for_nothing = [&](const std::string& port, double speaking, size_t silent) {
    const auto ended = late.find(port);
    const double returned = ended == late.end() ? 0 : ended->second;
    return speaking >= std::max(2.0 * static_cast<double>(silent),
                                static_cast<double>(scene.policy.many_floor)) &&
           returned * 20 <= speaking;
  };
  for (auto& [key, way] : ways_of(scene)) {
    lively[key.first] += way.lively;
    if (!waits_for_nothing(key.first, way.lively, way.silent.size())) continue;
    for (auto* member : way.silent) member->silent = true;
  }
  // Those whose words were not seen: all that speak on the port are their like.
  std::map<std::string, std::vector<Member*>> older;
  for (auto& member : scene.members) {
    if (member.facts->request_count != 0 || !member.facts->before_attach) continue;
    if (nobody_asks(member) && beyond_its_like(scene, member)) {
      older[scene.siblings_of(member).peer].push_back(&member);
    }
  }
  for (auto& [port, members] : older) {
    if (!waits_for_nothing(port, lively[port], 0)) continue;
    for (auto* member : members) member->silent = true;
  }
}

}  // namespace unclosed
