// What Blamer learns of all connections before anybody is blamed: which functions only dispatch,
// what comes before a last use by habit, and what healthy connections do.
#include <algorithm>

#include "judge/blame.h"

namespace unclosed {
namespace {

constexpr size_t kFewWays = 3;

}  // namespace

// Where requests on one connection meet, and each connection has a goroutine of its own there: that
// function owns it, however many ways part there. Workers that serve one connection after the other
// come back.
std::set<FunctionId> Blamer::owners() const {
  struct Passing {
    size_t uses = 0;
    std::set<std::pair<ProcessId, uint64_t>> goroutines;
    std::set<std::pair<ProcessId, uint64_t>> met;  // of those whose requests met there
  };
  std::map<std::pair<FunctionId, const Siblings*>, Passing> passing;
  const auto add = [&](const Siblings& siblings, const ConnectionFacts& facts) {
    if (!facts.tenure || facts.tenure->by.goroutine == 0) return;
    const std::pair goroutine{facts.opener, facts.tenure->by.goroutine};
    const Tenure tenure = tenure_of(facts);
    if (tenure.last.view == nullptr) return;
    const auto& own = tenure.last.view->own;
    std::set<FunctionId> functions;
    for (const auto& frame : own) functions.insert(frame.function);
    for (const auto function : functions) {
      auto& entry = passing[{function, &siblings}];
      ++entry.uses;
      entry.goroutines.insert(goroutine);
    }
    if (tenure.requests.empty()) return;
    const size_t length = common_length(*tenure.last.view, *tenure.requests.front().view);
    if (length == 0 || length == own.size()) return;
    passing[{own[length - 1].function, &siblings}].met.insert(goroutine);
  };
  for (const auto& member : x_scene.members) add(x_scene.siblings_of(member), *member.facts);
  for (const auto& group : x_scene.siblings) {
    for (const auto* cohort : group.cohorts) {
      for (const auto& sample : cohort->samples) add(group, sample.facts);
    }
  }
  std::set<FunctionId> owners;
  for (const auto& [where, entry] : passing) {
    if (entry.met.size() >= kFewWays && entry.goroutines.size() * 5 >= entry.uses * 4) {
      owners.insert(where.first);
    }
  }
  return owners;
}

// A function dispatches when nearly all ways to a last use pass it and then part. Ways are counted
// once each, however many connections took them: a leak must not make its own function look like
// everybody's. Ways to openings that nobody followed up are left out the second time: who dials
// ahead for all takes no way of theirs.
void Blamer::learn_dispatchers() {
  constexpr double kNearlyAll = 0.95;
  using Ways = std::set<std::vector<FunctionId>>;
  Ways all;
  Ways to_uses;
  const auto add = [&](const ConnectionFacts& facts) {
    const Tenure tenure = tenure_of(facts);
    if (tenure.last.view == nullptr) return;
    std::vector<FunctionId> way;
    for (const auto& frame : tenure.last.view->own) way.push_back(frame.function);
    if (facts.request_count > 0) to_uses.insert(way);
    all.insert(std::move(way));
  };
  for (const auto& member : x_scene.members) add(*member.facts);
  for (const auto& [key, cohort] : x_scene.histories.cohorts) {
    for (const auto& sample : cohort.samples) add(sample.facts);
  }
  const auto owned = owners();
  for (const Ways* ways : {&all, &to_uses}) {
    if (ways->size() < kFewWays) continue;
    x_few_ways = false;
    std::map<FunctionId, std::pair<size_t, std::set<FunctionId>>> passing;
    for (const auto& way : *ways) {
      std::set<FunctionId> counted;
      for (size_t i = 0; i < way.size(); ++i) {
        auto& [count, next] = passing[way[i]];
        count += counted.insert(way[i]).second ? 1 : 0;
        if (i + 1 < way.size()) next.insert(way[i + 1]);
      }
    }
    for (const auto& [function, entry] : passing) {
      if (entry.second.size() >= 2 && !owned.contains(function) &&
          static_cast<double>(entry.first) >= kNearlyAll * static_cast<double>(ways->size())) {
        x_dispatchers.insert(function);
      }
    }
  }
}

// Where a thread serves one borrower after the other, its requests are one tenure by the letter.
// But what belongs to a tenure happens before each last use of the same kind: what came before by
// chance differs from connection to connection.
void Blamer::learn_habits() {
  for (const auto& [key, cohort] : x_scene.histories.cohorts) {
    for (const auto& sample : cohort.samples) {
      if (forgotten(cohort, sample)) {
        // Forgotten like those that are still open.
        for (const auto& request : sample.facts.requests) {
          if (same_tenure(sample.facts, request)) x_left_requests.insert(request->stack);
        }
        continue;
      }
      const Tenure tenure = tenure_of(sample.facts);
      if (tenure.last.view != nullptr) x_ends.insert(tenure.last.id);
    }
  }
  for (const auto& member : x_scene.members) {
    const Tenure tenure = tenure_of(*member.facts);
    if (tenure.last.view == nullptr) continue;
    if (!member.candidate) {
      if (!member.waiting) x_ends.insert(tenure.last.id);
      continue;
    }
    for (const auto& request : member.facts->requests) {
      if (same_tenure(*member.facts, request)) x_left_requests.insert(request->stack);
    }
    // What was not taken says nothing of what they do.
    if (!complete(*member.facts)) continue;
    auto& habit = x_habits[tenure.last.id];
    ++habit.connections;
    ++habit.before[tenure.requests.empty() ? kNoStack : tenure.requests.front().id];
    ++habit.opened[tenure.opened.view != nullptr ? tenure.opened.id : kNoStack];
  }
}

// What is known to have been given back: earlier tenures of connections that were used again since,
// and connections that were closed soon after their last use.
void Blamer::add_healthy(const Member& member) {
  const auto& facts = *member.facts;
  auto& healthy = x_healthy[{facts.kind, role_of(facts)}];
  const Tenure tenure = tenure_of(facts);
  if (!member.candidate && tenure.last.view != nullptr && tenure.last.view->own.size() == 1) {
    x_alive_senders.insert(tenure.last.view->own.front().function);
  }
  if (member.candidate && tenure.last.view != nullptr) ++healthy.left_alone[tenure.last.id];
  // What was handed out again since had been handed back.
  for (size_t i = 0; i < facts.borrowed.size(); ++i) {
    const auto& handed = facts.borrowed[i];
    const uint32_t times = facts.borrowed_times[i];
    const uint32_t returned = i == 0 && times > 0 ? times - 1 : times;
    if (handed && returned > 0 && own(handed->stack).view != nullptr)
      healthy.uses[handed->stack] += returned;
  }
  for (size_t i = 1; i < facts.requests.size(); ++i) {
    const auto& request = facts.requests[i];
    if (!request || own(request->stack).view == nullptr) continue;
    const bool earlier = facts.tenure && !same_tenure(facts, request);
    // One thread that does everything never ends its tenure; what came before by chance was ended.
    const bool ended = tenure.by_thread && tenure.last.view != nullptr &&
                       !tenure.requests.empty() &&
                       by_chance(tenure.last.id, tenure.requests.front().id, Before::kRequested);
    // One that is still young may be left alone yet, as others were that began like it.
    const bool young = member.candidate || x_left_requests.contains(request->stack);
    if (earlier || ended || !young) ++healthy.uses[request->stack];
  }
}

void Blamer::learn_hand_backs() {
  const auto note = [&](const ConnectionFacts& facts) {
    if (!facts.returned) return;
    Instant& last = x_last_hand_back[facts.opener];
    last = std::max(last, facts.returned->at);
  };
  for (const auto& member : x_scene.members) note(*member.facts);
  for (const auto& [key, cohort] : x_scene.histories.cohorts) {
    for (const auto& sample : cohort.samples) note(sample.facts);
  }
  for (const auto& member : x_scene.members) {
    const auto& facts = *member.facts;
    const auto& handed = facts.borrowed[0];
    const auto last = x_last_hand_back.find(facts.opener);
    if (!member.candidate || !handed || last == x_last_hand_back.end()) continue;
    if (handed->at >= last->second) continue;
    auto& [kept, back] = x_kept[handed->stack];
    ++(facts.returned && facts.returned->at >= handed->at ? back : kept);
  }
}

// Whether what was handed out has not been handed back; of one that was handed out when nobody
// watched any more, as most under the same stack.
bool Blamer::keeps(const ConnectionFacts& facts, const Use& handed) const {
  if (facts.returned && facts.returned->at >= handed.at) return false;
  const auto last = x_last_hand_back.find(facts.opener);
  if (last != x_last_hand_back.end() && handed.at < last->second) return true;
  const auto others = x_kept.find(handed.stack);
  return others != x_kept.end() && others->second.first > others->second.second;
}

// Where what was handed out is handed back shows where it should have been, as a close does.
void Blamer::add_hand_back(const ConnectionFacts& facts) {
  if (!facts.returned) return;
  const auto* back = own(facts.returned->stack).view;
  if (back == nullptr) return;
  Stack used;
  for (size_t i = 0; i < facts.borrowed.size() && used.id == kNoStack; ++i) {
    const auto& handed = facts.borrowed[i];
    if (!handed) continue;
    // Where all came in one way, the last may have come after it; the others did not.
    const bool one_way = !facts.borrowed[1] && facts.borrowed_times[i] > 1;
    const bool by_borrower =
        handed->at <= facts.returned->at && handed->by.same_as(facts.returned->by);
    if (one_way || by_borrower) used = own(handed->stack);
  }
  if (used.view == nullptr) return;
  auto& hand_backs = x_healthy[{facts.kind, role_of(facts)}].hand_backs;
  auto& closing = hand_backs[{used.id, facts.opened.stack, facts.returned->stack}];
  closing.used = used.view;
  closing.opened = own(facts.opened.stack).view;
  closing.closed = back;
  ++closing.count;
}

// One that many borrowed in turn stands for many uses, of which nobody was left alone.
void Blamer::add_borrowed_by_many() {
  constexpr uint64_t kManyTenures = 10;
  for (const auto& member : x_scene.members) {
    const auto& facts = *member.facts;
    if (member.candidate || facts.tenure_count < kManyTenures) continue;
    auto& healthy = x_healthy[{facts.kind, facts.role}];
    for (const auto& request : facts.requests) {
      if (!request || own(request->stack).view == nullptr) continue;
      if (healthy.left_alone.contains(request->stack)) continue;
      auto& uses = healthy.uses[request->stack];
      uses = std::max(uses, kFewHealthy);
    }
  }
}

void Blamer::learn_askers() {
  const auto add = [&](const ConnectionFacts& facts) {
    for (const auto& request : facts.requests) {
      const auto* view = request ? own(request->stack).view : nullptr;
      if (view == nullptr) continue;
      auto& callers = x_askers[{facts.kind, role_of(facts), facts.peer}][view->own.back().function];
      if (view->own.size() > 1) callers.insert(view->own[view->own.size() - 2].function);
    }
  };
  for (const auto& member : x_scene.members) add(*member.facts);
  for (const auto& [key, cohort] : x_scene.histories.cohorts) {
    for (const auto& sample : cohort.samples) add(sample.facts);
  }
}

// Closed by the collector of garbage; also where nobody saw who closed it, but the collector closes
// its like.
bool Blamer::forgotten(const Cohort& cohort, const ClosedSample& sample) const {
  if (sample.by_collector || x_scene.stacks.view(sample.closed_by) != nullptr) {
    return x_scene.by_collector(sample);
  }
  const auto collector = [&](const StackCount& closer) {
    const auto* view = x_scene.stacks.view(closer.stack);
    return view != nullptr && view->collector;
  };
  return std::any_of(cohort.closers.begin(), cohort.closers.end(), collector);
}

void Blamer::learn_healthy() {
  for (const auto& member : x_scene.members) {
    add_healthy(member);
    add_hand_back(*member.facts);
  }
  add_borrowed_by_many();
  for (const auto& group : x_scene.siblings) {
    for (const auto* cohort : group.cohorts) {
      for (const auto& sample : cohort->samples) {
        const auto& facts = sample.facts;
        const auto last = last_activity(facts);
        const bool tracked = is_socket(facts.kind);
        if (tracked && last && sample.closed_at - *last > group.far) continue;
        if (forgotten(*cohort, sample)) continue;
        const auto* closed = x_scene.stacks.view(sample.closed_by);
        add_hand_back(facts);
        auto& healthy = x_healthy[{facts.kind, role_of(facts)}];
        const Tenure tenure = tenure_of(facts);
        if (tenure.last.view == nullptr) continue;
        ++healthy.uses[tenure.last.id];
        for (const auto& request : tenure.requests) ++healthy.uses[request.id];
        if (closed == nullptr || closed->own.empty()) continue;
        auto& closing = healthy.closings[{tenure.last.id, facts.opened.stack, sample.closed_by}];
        closing.used = tenure.last.view;
        closing.opened = own(facts.opened.stack).view;
        closing.closed = closed;
        ++closing.count;
      }
    }
  }
}

}  // namespace unclosed
