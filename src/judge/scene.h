// What all evidence looks at: the open connections with what follows from their facts alone, and
// their siblings. Siblings are all connections opened at one site, of one kind, role and peer: the
// raw cohorts of the ledger, merged by the innermost own function of the opening. Built once for a
// judgement; immutable then; any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "judge/policy.h"
#include "judge/stacks.h"
#include "model/activity.h"
#include "model/history.h"

namespace unclosed {

struct Siblings {
  std::string label;  // name of the opening site; "" where nobody saw the opening
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  std::string peer;
  bool before_attach = false;  // or by a stack that was not taken: of many sites
  std::vector<const CohortKey*> keys;
  std::vector<const Cohort*> cohorts;
  uint64_t opened = 0, closed = 0;
  DurationHistogram lifetimes, idle_gaps;
  std::map<ProcessId, std::vector<Instant>> openings;  // sorted
  std::vector<Reuse> reuses;
  bool answers = false;    // some member was seen sending
  bool own_sends = false;  // whoever uses one has own code on the stack of the request
  bool one_way = false;    // the peer never answers anybody, and nobody waits for it to

  Duration settled{};  // idle for longer: left alone
  Duration far{};      // idle for longer: long
  Duration passed{};   // idle for longer while dials pass it over: in no free list
  std::optional<Duration> usual_idle, usual_life;  // p99
  // The age beyond which a sibling has outlived the others: far beyond their p99, or twice that
  // where they die in a narrow band of age.
  std::optional<Duration> outlived;
  bool narrow_band = false;
};

struct Member {
  const ConnectionFacts* facts = nullptr;
  const History* history = nullptr;    // nullptr: a closed sample
  const CohortKey* key = nullptr;      // of its raw cohort, as the histories hold it
  std::shared_ptr<const Owner> owner;  // as memory tells; null: nobody asked
  size_t siblings = 0;
  bool tracked = false;    // its use is seen: a socket
  bool waiting = false;    // a request is out, or a client's request is being worked on
  bool heartbeat = false;  // only a library still sends on it, by itself
  bool unread = false;     // an answer to a request of ours waits in the queue
  bool given_back = false;  // its pool has it to give, and is not one of many of one connection each
  Instant idle_since;
  Duration idle{}, age{};
  // How long it has to lie to count as left alone, and as left for long: after the siblings' usual
  // idle time, where that can excuse it.
  Duration settled{}, far{};
  // The peer closed or reset it, and nothing was sent since; or the last answer, of one accepted.
  std::optional<Instant> gone_at;
  uint32_t passing_dials = 0;      // dials of siblings that began well after it had become idle
  Duration until_passed{};         // from then to the dial that made it passed over
  bool passed_over = false;
  bool paired = false;     // the accepted connection that it was dialled for is still there
  bool silent = false;     // a client that went without a word, as far as its like tell
  bool candidate = false;  // left alone, or its peer has gone: could be leaked
};

struct Scene {
  const Histories& histories;
  const Stacks& stacks;
  const Policy& policy;
  std::vector<Siblings> siblings;
  std::vector<Member> members;

  Scene(const Histories& all, const Stacks& named, const Policy& rules);
  Instant now() const { return histories.now; }
  const Siblings& siblings_of(const Member& member) const { return siblings[member.siblings]; }
  // Closed by a collector of garbage, as its closing stack or its thread tells.
  bool by_collector(const ClosedSample& sample) const;
  // Dials of `process` to the peer of `of` that began after `after`; of the site of `of`, or of
  // any site where `of` was opened before the attach.
  // `nth` is set to the moment of the last one that policy asks for, where there are that many.
  uint32_t dials(const Siblings& of, const ProcessId& process, Instant after,
                 std::optional<Instant>* nth = nullptr) const;

 private:
  void merge_cohorts();
  void learn(Siblings& group) const;
  bool dials_passed(const Siblings& group, const ProcessId& process, Instant from,
                    Instant to) const;
  std::vector<Duration> passed_and_used(const Siblings& group) const;
  std::vector<Duration> passed_and_closed(const Siblings& group) const;
  void learn_lifetimes(Siblings& group) const;
  double survival(const Siblings& group, Duration age) const;
  void learn_one_way();
  void learn_pools();
  void choose_candidate(Member& member) const;
  bool by_library(const ConnectionFacts& facts) const;
  const Use* last_own_use(const ConnectionFacts& facts) const;
  void read(const History& history);
  std::map<CohortKey, std::pair<size_t, const CohortKey*>> x_siblings_of;
  std::set<ConnectionId> x_given_back;
  // All siblings by kind, role and peer.
  std::map<std::tuple<Kind, Role, std::string>, std::vector<size_t>> x_same_peer;
};

// What follows from the facts of one connection alone.
// Whether the peer may never have taken the connection: its queue of those to be accepted may be
// full. It has neither acknowledged nor sent a byte.
bool never_taken(const ConnectionFacts& facts);
// Sent bytes and probes that nobody answers, of a peer that was there once.
bool unanswered(const ConnectionFacts& facts);
// `first_seen` is the bound where nobody saw the moment.
std::optional<Instant> peer_gone_at(const ConnectionFacts& facts, Instant first_seen);

}  // namespace unclosed
