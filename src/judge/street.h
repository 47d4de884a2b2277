// For tests of this room: histories made by hand, one connection at a time, with the course and the
// openings that follow from them. The attach is at second 0, the judgement at second 60.
#pragma once

#include <algorithm>
#include <string>

#include "judge/judge.h"

namespace unclosed {

class Street {
 public:
  static Instant at(double s) { return {1'000'000'000'000 + static_cast<int64_t>(s * 1e9)}; }

  // "main>serve>dial>lib:connect", outermost first; "lib:" is not own. A name may carry its line:
  // "serve:12", or the place of its call besides: "serve@7". A first one with "go:" is where the
  // goroutine was started.
  StackId stack(const std::string& path) {
    const auto [place, added] = x_stacks.try_emplace(path, x_stacks.size() + 1);
    if (!added) return place->second;
    NamedStack named;
    for (size_t from = 0; from <= path.size();) {
      const size_t to = std::min(path.find('>', from), path.size());
      std::string name = path.substr(from, to - from);
      NamedFrame frame{.function = {}, .file = "/src/app.cc", .line = 1, .module = "app"};
      const bool started = name.starts_with("go:");
      if (started) name.erase(0, 3);
      frame.own = !name.starts_with("lib:");
      if (!frame.own) name.erase(0, 4);
      Frame call;
      if (const size_t at = name.find('@'); at != std::string::npos) {
        call = {0, {std::stoul(name.substr(at + 1))}};
        name.resize(at);
      }
      const size_t colon = name.find(':');
      if (frame.own && colon != std::string::npos) {
        frame.line = static_cast<uint32_t>(std::stoul(name.substr(colon + 1)));
        name.resize(colon);
      }
      frame.function = name;
      auto& frames = started ? named.started : named.frames;
      frames.insert(frames.begin(), frame);
      if (!started) named.places.insert(named.places.begin(), call);
      from = to + 1;
    }
    book.emplace(place->second, std::move(named));
    return place->second;
  }

  // An open connection; opened before 0: before the attach.
  ConnectionFacts& open(Kind kind, Role role, double when, const std::string& path) {
    History history;
    auto& facts = history.facts;
    facts.id = {histories.open.size() + 1, 1};
    facts.opener = {100, 5};
    facts.kind = kind;
    facts.role = role;
    facts.before_attach = when < 0;
    facts.opened = {when < 0 ? kNoStack : stack(path), at(std::max(when, 0.0)), {100, 0}};
    if (kind == Kind::kTcp) facts.state = TcpState::kEstablished;
    history.descriptors = {{facts.opener, static_cast<int>(facts.id.object) + 2}};
    history.first_seen = at(std::max(when, 0.0));
    history.last_seen = at(60);
    histories.open.push_back(history);
    return histories.open.back().facts;
  }
  // A request at `when` and its answer.
  void ask(ConnectionFacts& facts, double when, const std::string& path, uint64_t goroutine = 0) {
    const Use use{stack(path), at(when), {100, goroutine}};
    std::rotate(facts.requests.begin(), facts.requests.end() - 1, facts.requests.end());
    facts.requests[0] = use;
    if (!facts.tenure || !facts.tenure->by.same_as(use.by)) facts.tenure = use;
    ++facts.request_count;
    facts.last_send = at(when);
    facts.last_receive = at(when + 0.001);
    facts.bytes_sent += 10;
    facts.bytes_received += 10;
  }
  // A request through a library that dials and sends itself, handed out to `path`.
  void borrow(ConnectionFacts& facts, double when, const std::string& path,
              uint64_t goroutine = 0) {
    auto& [now, before, earlier] = facts.borrowed;
    const Use use{stack(path + ">lib:roundTrip"), at(when), {100, goroutine}};
    ask(facts, when, "lib:goexit>lib:writeLoop>lib:write", 1'000'000 + facts.id.object);
    if (now && now->stack == use.stack) {
      now = use;
      ++facts.borrowed_times[0];
      return;
    }
    earlier = before;
    before = now;
    now = use;
    facts.borrowed_times = {1, facts.borrowed_times[0], facts.borrowed_times[1]};
  }
  // One that came and went in between.
  void closed(ConnectionFacts facts, double when, const std::string& path) {
    x_closed.push_back({facts, at(when), path.empty() ? kNoStack : stack(path)});
    if (!histories.open.empty() && histories.open.back().facts.id == facts.id) {
      histories.open.pop_back();
    }
  }
  History& last() { return histories.open.back(); }

  Judgement judge() {
    fill();
    return unclosed::judge(histories, book, policy);
  }

  Histories histories;
  StackBook book;
  Policy policy;

 private:
  struct Gone {
    ConnectionFacts facts;
    Instant when;
    StackId by;
  };
  static CohortKey key(const ConnectionFacts& facts) {
    return {facts.before_attach ? kNoStack : facts.opened.stack, facts.kind, facts.role,
            facts.kind == Kind::kTcp && facts.role != Role::kListener ? "10.0.0.3:5432" : ""};
  }
  void opening(const ConnectionFacts& facts) {
    auto& cohort = histories.cohorts[key(facts)];
    if (facts.before_attach) return;
    ++cohort.opened;
    cohort.openings.push_back(facts.opened.at);
    cohort.openers.push_back(facts.opener);
  }
  void fill() {
    histories.attached = at(0);
    histories.now = at(60);
    for (auto& history : histories.open) {
      history.cohort = key(history.facts);
      opening(history.facts);
      if (history.facts.longest_idle_gap.count() > 0) {
        histories.cohorts[history.cohort].idle_gaps.add(history.facts.longest_idle_gap);
      }
    }
    for (const auto& gone : x_closed) {
      opening(gone.facts);
      auto& cohort = histories.cohorts[key(gone.facts)];
      ++cohort.closed;
      cohort.lifetimes.add(gone.when - gone.facts.opened.at);
      cohort.samples.push_back({gone.facts, gone.when, gone.by});
      if (gone.by != kNoStack) cohort.closers.push_back({gone.by, 1});
    }
    for (int second = 0; second <= 60; ++second) {
      histories.descriptors_course.push_back({at(second), 0, 0});
      for (auto& [cohort_key, cohort] : histories.cohorts) {
        cohort.course.push_back({at(second), 0, 0});
      }
      for (const auto& history : histories.open) {
        const auto& facts = history.facts;
        auto& point = histories.cohorts[history.cohort].course.back();
        if (facts.opened.at > at(second)) continue;
        ++point.open;
        point.unused +=
            facts.last_receive.value_or(facts.opened.at) + std::chrono::seconds(1) < at(second) ? 1
                                                                                                : 0;
      }
    }
  }
  std::map<std::string, StackId> x_stacks;
  std::vector<Gone> x_closed;
};

// The evidence of this kind, of some finding; nullptr: none has it.
inline const Evidence* find(const std::vector<Finding>& findings, std::string_view kind) {
  for (const auto& finding : findings) {
    for (const auto& evidence : finding.evidence) {
      if (evidence.kind == kind) return &evidence;
    }
  }
  return nullptr;
}
inline const Evidence* find(const Judgement& judgement, std::string_view kind) {
  return find(judgement.findings, kind);
}

inline const std::string kDial = "main>serve>lib:connect";

// Dials of the same site, used and closed at once.
inline void dials(Street& street, double from, int count) {
  for (int i = 0; i < count; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, from + i, kDial);
    facts.id.object += 10'000;
    street.ask(facts, from + i + 0.1, "main>serve>lib:write");
    street.closed(facts, from + i + 0.3, "main>serve>lib:close");
  }
}

}  // namespace unclosed
