#include "judge/scene.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "judge/pairs.h"
#include "judge/silence.h"

namespace unclosed {
namespace {

// The end of a connection and the last bytes before it may be seen in either order.
constexpr Duration kSameMoment = std::chrono::milliseconds(10);

bool later(const std::optional<Instant>& a, const std::optional<Instant>& b) {
  return a && (!b || *a > *b);
}

bool has_sent(const Cohort& cohort) {
  return std::any_of(cohort.samples.begin(), cohort.samples.end(),
                     [](const ClosedSample& sample) { return sample.facts.bytes_sent > 0; });
}

// Whoever had it last has read the answer and given it back: what was sent since, a library sent by
// itself.
bool handed_back(const ConnectionFacts& facts) {
  return facts.borrowed[0] && facts.returned && facts.returned->at >= facts.borrowed[0]->at;
}

// Some last messages are never answered, such as the end of a statement: then nobody waits. Who
// holds it was asked as well, so whether its pool has it is known.
bool asked_for_nothing(const Member& member) {
  return member.facts->role == Role::kClient && member.owner && member.owner->held &&
         unawaited(*member.owner);
}

// The innermost own function, or the whole path through libraries where there is none.
std::string site_label(const Stacks& stacks, StackId opened) {
  const auto* view = stacks.view(opened);
  if (view == nullptr) return "(no stack)";
  if (!view->own.empty()) return view->own.back().frame->function;
  return view->library + "#" + std::to_string(view->shape);
}

}  // namespace

bool never_taken(const ConnectionFacts& facts) {
  return facts.role == Role::kClient && facts.bytes_received == 0 && facts.recv_queue == 0 &&
         facts.bytes_sent <= facts.send_queue;
}

bool unanswered(const ConnectionFacts& facts) {
  constexpr uint32_t kProbes = 3;
  return facts.unanswered_probes >= kProbes && facts.send_queue > 0 && !never_taken(facts);
}

std::optional<Instant> peer_gone_at(const ConnectionFacts& facts, Instant first_seen) {
  if (facts.role == Role::kListener) return std::nullopt;
  std::optional<Instant> gone = facts.peer_closed_at;
  if (!gone && facts.kind == Kind::kTcp &&
      (facts.state == TcpState::kCloseWait || facts.state == TcpState::kClose)) {
    // A socket that never tried to connect is closed as well, and nobody left it.
    const bool was_connected = facts.state == TcpState::kCloseWait || facts.peer.port != 0 ||
                               facts.connect_started || facts.bytes_sent + facts.bytes_received > 0;
    if (was_connected) gone = facts.state_since.value_or(first_seen);
  }
  if (!gone) gone = facts.end_seen_at;
  // A half-closed connection on which we still send is in use. One that was accepted and answered
  // to its end has nothing to wait for: its client cannot ask again.
  if (gone && facts.last_send && *facts.last_send > *gone + kSameMoment && facts.end_errno == 0 &&
      facts.state != TcpState::kClose) {
    if (facts.role != Role::kServer) return std::nullopt;
    gone = facts.last_send;
  }
  return gone;
}

Scene::Scene(const Histories& all, const Stacks& named, const Policy& rules)
    : histories(all), stacks(named), policy(rules) {
  merge_cohorts();
  for (auto& group : siblings) learn(group);
  learn_one_way();
  learn_pools();
  members.reserve(all.open.size());
  for (const auto& history : all.open) read(history);
  mark_paired(*this);
  mark_silent(*this);
  for (auto& member : members) choose_candidate(member);
}

void Scene::merge_cohorts() {
  std::map<std::tuple<std::string, Kind, Role, std::string>, size_t> index;
  for (const auto& [key, cohort] : histories.cohorts) {
    // Opened before the attach, or by a stack that was not taken: by nobody knows whom.
    const bool before = key.opened == kNoStack;
    const std::string label = before ? "" : site_label(stacks, key.opened);
    const auto [place, added] =
        index.try_emplace({label, key.kind, key.role, key.peer}, siblings.size());
    if (added) {
      Siblings group;
      group.label = label;
      group.kind = key.kind;
      group.role = key.role;
      group.peer = key.peer;
      group.before_attach = before;
      siblings.push_back(std::move(group));
      x_same_peer[{key.kind, key.role, key.peer}].push_back(place->second);
    }
    Siblings& group = siblings[place->second];
    x_siblings_of[key] = {place->second, &key};
    group.keys.push_back(&key);
    group.cohorts.push_back(&cohort);
    group.opened += cohort.opened;
    group.closed += cohort.closed;
    group.lifetimes.merge(cohort.lifetimes);
    group.idle_gaps.merge(cohort.idle_gaps);
    for (size_t i = 0; i < cohort.openings.size(); ++i) {
      const ProcessId opener = i < cohort.openers.size() ? cohort.openers[i] : ProcessId{};
      group.openings[opener].push_back(cohort.openings[i]);
    }
    group.reuses.insert(group.reuses.end(), cohort.reuses.begin(), cohort.reuses.end());
    group.answers |= has_sent(cohort);
  }
  for (auto& group : siblings) {
    for (auto& [process, times] : group.openings) std::sort(times.begin(), times.end());
  }
  for (const auto& history : histories.open) {
    const auto found = x_siblings_of.find(history.cohort);
    if (found != x_siblings_of.end() && history.facts.bytes_sent > 0) {
      siblings[found->second.first].answers = true;
    }
  }
}

bool Scene::by_collector(const ClosedSample& sample) const {
  const auto* closer = stacks.view(sample.closed_by);
  return sample.by_collector || (closer != nullptr && closer->collector);
}

// The last request was made by library code alone: its stack is whole and holds nothing own.
bool Scene::by_library(const ConnectionFacts& facts) const {
  if (!facts.requests[0]) return false;
  const auto* view = stacks.view(facts.requests[0]->stack);
  return view != nullptr && view->own.empty() && !view->truncated;
}

const Use* Scene::last_own_use(const ConnectionFacts& facts) const {
  for (const auto& request : facts.requests) {
    if (request && stacks.own_view(request->stack) != nullptr) return &*request;
  }
  return nullptr;
}

void Scene::learn(Siblings& group) const {
  constexpr size_t kFewSamples = 5;
  constexpr size_t kFewEnds = 3;
  size_t own = 0;
  size_t samples = 0;
  for (const auto* cohort : group.cohorts) {
    for (const auto& sample : cohort->samples) {
      if (!sample.facts.requests[0]) continue;
      ++samples;
      own += by_library(sample.facts) ? 0 : 1;
    }
  }
  group.own_sends = own >= kFewSamples && own * 10 >= samples * 9;
  group.usual_idle = group.idle_gaps.quantile(0.99);
  learn_lifetimes(group);
  const Duration idle = group.usual_idle.value_or(Duration{});
  group.settled = std::max(policy.settled_floor(), idle);
  group.far = std::max(policy.long_floor, idle);
  // Where many are closed after long idleness, by a task that ends or a pool that thins itself out,
  // idleness is no sign.
  std::vector<Duration> before_close;
  for (const auto* cohort : group.cohorts) {
    for (const auto& sample : cohort->samples) {
      const auto last = last_activity(sample.facts);
      if (last && !by_collector(sample)) before_close.push_back(sample.closed_at - *last);
    }
  }
  std::sort(before_close.begin(), before_close.end());
  if (before_close.size() >= kFewEnds) {
    const Duration often = before_close[before_close.size() * 4 / 5];
    if (is_socket(group.kind) && often > policy.settled_floor()) {
      group.settled = std::max(group.settled, often * 3 / 2);
      group.far = std::max(group.far, often * 3 / 2);
    }
  }
  // A pool does not dial past an idle connection of its own, however long it lies there: for those
  // passed over it is not the usual idle time that counts, but how soon such ones are used again.
  group.passed = policy.settled_floor();
  if (group.role != Role::kClient) return;
  std::vector<Duration> gaps = passed_and_used(group);
  if (!gaps.empty()) {
    std::sort(gaps.begin(), gaps.end());
    group.passed = std::max(group.passed, 3 * gaps[(gaps.size() - 1) * 19 / 20]);
  }
  std::vector<Duration> ends = passed_and_closed(group);
  std::erase_if(ends, [&](Duration lay) { return lay <= group.passed; });
  if (ends.size() >= kFewEnds) {
    std::sort(ends.begin(), ends.end());
    group.passed = ends[(ends.size() - 1) * 19 / 20] * 3 / 2;
  }
}

// Whether so many were dialled in between that a pool would have come back to an idle one.
bool Scene::dials_passed(const Siblings& group, const ProcessId& process, Instant from,
                         Instant to) const {
  const auto dialled = [&](const Siblings& by) -> int64_t {
    const auto mine = by.openings.find(process);
    if (mine == by.openings.end()) return 0;
    const auto first =
        std::upper_bound(mine->second.begin(), mine->second.end(), from + policy.dial_race());
    return std::lower_bound(first, mine->second.end(), to) - first;
  };
  int64_t passed = 0;
  for (const size_t index : x_same_peer.at({group.kind, group.role, group.peer})) {
    if (group.before_attach || &siblings[index] == &group) passed += dialled(siblings[index]);
  }
  return passed >= policy.passing_dials;
}

// Idle ones that dials passed over and that were used again all the same: how long they lay.
std::vector<Duration> Scene::passed_and_used(const Siblings& group) const {
  std::vector<Duration> gaps;
  for (const auto& reuse : group.reuses) {
    const auto* view = stacks.view(reuse.stack);
    if (group.own_sends && view != nullptr && view->own.empty()) continue;
    if (dials_passed(group, reuse.process, reuse.idle_since, reuse.used_at)) {
      gaps.push_back(reuse.used_at - reuse.idle_since);
    }
  }
  return gaps;
}

// Idle ones that dials passed over and that were closed in the end, those from before the attach
// among them: a task may keep its connection for a while, and a pool thins itself out.
std::vector<Duration> Scene::passed_and_closed(const Siblings& group) const {
  std::vector<Duration> ends;
  for (const size_t index : x_same_peer.at({group.kind, group.role, group.peer})) {
    const Siblings& other = siblings[index];
    if (&other != &group && !other.before_attach) continue;
    for (const auto* cohort : other.cohorts) {
      for (const ClosedSample& sample : cohort->samples) {
        if (by_collector(sample)) continue;
        const Instant idle_since =
            std::max(last_activity(sample.facts).value_or(histories.attached), histories.attached);
        if (dials_passed(group, sample.facts.opener, idle_since, sample.closed_at)) {
          ends.push_back(sample.closed_at - idle_since);
        }
      }
    }
  }
  return ends;
}

uint32_t Scene::dials(const Siblings& of, const ProcessId& process, Instant after,
                      std::optional<Instant>* nth) const {
  uint32_t sum = 0;
  const auto count = [&](const Siblings& group) {
    const auto mine = group.openings.find(process);
    if (mine == group.openings.end()) return;
    const auto from = std::upper_bound(mine->second.begin(), mine->second.end(), after);
    const auto found = static_cast<uint32_t>(mine->second.end() - from);
    if (nth != nullptr && !*nth && found >= policy.passing_dials) {
      *nth = *(from + (policy.passing_dials - 1));
    }
    sum += found;
  };
  if (!of.before_attach) {
    count(of);
    return sum;
  }
  for (const size_t index : x_same_peer.at({of.kind, of.role, of.peer})) count(siblings[index]);
  return sum;
}

void Scene::read(const History& history) {
  const auto& facts = history.facts;
  const auto found = x_siblings_of.find(history.cohort);
  if (found == x_siblings_of.end()) return;
  Member member;
  member.facts = &facts;
  member.history = &history;
  std::tie(member.siblings, member.key) = found->second;
  const Siblings& group = siblings[member.siblings];
  const auto owner = histories.owners.find(facts.id);
  if (owner != histories.owners.end()) member.owner = owner->second;
  member.given_back = x_given_back.contains(facts.id);
  // A listener is used by those who come: only that there are more and more of them tells.
  member.tracked = is_socket(facts.kind) && facts.role != Role::kListener &&
                   facts.state != TcpState::kListen;
  member.waiting = outstanding(facts, group.answers) && !group.one_way && !handed_back(facts);
  member.idle_since = last_activity(facts).value_or(history.first_seen);
  // A library that pings by itself uses nothing, where those who use one are seen doing so.
  if (group.own_sends && facts.role == Role::kClient && by_library(facts)) {
    if (const auto* own = last_own_use(facts)) {
      member.heartbeat = true;
      member.waiting = false;
      member.idle_since = own->at;
    }
  }
  member.idle = now() - member.idle_since;
  if (member.idle > policy.settled_floor() && !never_taken(facts) && asked_for_nothing(member))
    member.waiting = false;
  // A datagram's answer that has not come for so long will not come any more.
  if (facts.kind == Kind::kUdp &&
      member.idle > std::max(group.settled, group.outlived.value_or(group.far))) {
    member.waiting = false;
  }
  member.age = now() - facts.opened.at;
  member.gone_at = peer_gone_at(facts, history.first_seen);
  const bool asked = facts.last_send || facts.before_attach;
  // What came with the end of a connection that we did not see alive may be a farewell.
  const bool farewell = member.gone_at && !later(facts.last_send, facts.last_receive) &&
                        (facts.before_attach || !history.unread_since ||
                         *history.unread_since > *member.gone_at - policy.settled_floor());
  // Both ports may be such as are handed out: then nobody knows who dialled.
  const bool dialled = facts.role == Role::kClient ||
                       (facts.role == Role::kUnknown && facts.before_attach && facts.last_send);
  member.unread = dialled && asked && facts.recv_queue > 0 &&
                  !history.unread_unasked && !farewell;
  if (facts.role == Role::kClient && (history.pushes < 2 || member.heartbeat)) {
    std::optional<Instant> third;
    member.passing_dials =
        dials(group, facts.opener, member.idle_since + policy.dial_race(), &third);
    if (third) member.until_passed = *third - member.idle_since;
    member.passed_over = !member.waiting && member.passing_dials >= policy.passing_dials &&
                         member.idle > group.passed;
  }
  // An idle connection may wait for its next use; an answer that nobody reads, a peer that has
  // gone, and one that is in no free list, wait for nothing.
  const bool excusable = !member.unread && !member.gone_at && !member.passed_over;
  member.settled = excusable ? group.settled : policy.settled_floor();
  member.far = excusable ? group.far : policy.long_floor;
  members.push_back(member);
}

// What the process was started with, whatever it is open on.
static bool standard_stream(const Member& member) {
  constexpr int kLastStandard = 2;
  const auto& descriptors = member.history->descriptors;
  return member.facts->before_attach && !member.tracked && !descriptors.empty() &&
         std::all_of(descriptors.begin(), descriptors.end(),
                     [](const Descriptor& one) { return one.fd <= kLastStandard; });
}

// Left alone, passed over, or its peer gone.
void Scene::choose_candidate(Member& member) const {
  const auto& facts = *member.facts;
  if (facts.state == TcpState::kSynSent || standard_stream(member)) {
    return;
  }
  const auto& group = siblings_of(member);
  const bool gone = member.gone_at && now() - *member.gone_at > policy.settled_floor();
  const bool probes = unanswered(facts);
  if (facts.role == Role::kServer) {
    member.candidate = gone || probes || member.silent;
    return;
  }
  const bool alone =
      member.idle > member.settled && !member.waiting && !member.paired && !member.given_back;
  const bool outlived =
      member.age > std::max(policy.settled_floor(), group.outlived.value_or(Duration{}));
  member.candidate = member.tracked ? gone || alone || probes : outlived;
}

// The share that would be as old as `age` by the siblings' survival curve (Kaplan and Meier): those
// that are open count as having lived for at least as long as they have.
double Scene::survival(const Siblings& group, Duration age) const {
  std::vector<std::pair<Duration, uint64_t>> deaths;
  for (int i = 0; i < DurationHistogram::kBuckets; ++i) {
    const uint64_t count = group.lifetimes.counts[i];
    if (count > 0) deaths.emplace_back(std::chrono::microseconds(int64_t{2} << i), count);
  }
  std::vector<Duration> ages;
  for (const auto& history : histories.open) {
    const auto found = x_siblings_of.find(history.cohort);
    if (found == x_siblings_of.end() || &siblings[found->second.first] != &group) continue;
    if (!history.facts.before_attach) ages.push_back(now() - history.facts.opened.at);
  }
  double alive = 1;
  uint64_t later = group.lifetimes.total;
  for (const auto& [until, count] : deaths) {
    if (until > age) break;
    const auto open =
        std::count_if(ages.begin(), ages.end(), [&](Duration one) { return one >= until / 2; });
    const double at_risk = static_cast<double>(later) + static_cast<double>(open);
    alive *= 1 - static_cast<double>(count) / at_risk;
    later -= count;
  }
  return alive;
}

// How old siblings get. Where nearly all die in a narrow band of age, as by a lease or a most
// lifetime, twice that age is as telling as far beyond it elsewhere.
void Scene::learn_lifetimes(Siblings& group) const {
  constexpr uint64_t kFewClosed = 20;
  constexpr double kBand = 2.1;  // two neighbouring buckets
  constexpr double kFewSurvive = 0.25;
  if (group.closed < kFewClosed) return;
  group.usual_life = group.lifetimes.quantile(0.99);
  if (!group.usual_life) return;
  const Duration usual = *group.usual_life;
  group.outlived = from_seconds(seconds(usual) * policy.far_factor);
  const auto young = group.lifetimes.quantile(0.05);
  if (!young || seconds(usual) > kBand * seconds(*young)) return;
  if (survival(group, usual) > kFewSurvive) return;
  group.narrow_band = true;
  group.outlived = 2 * usual;
}

// A client that is made for each call has a pool for each connection: what lies in one is left there.
void Scene::learn_pools() {
  using Whose = std::pair<ProcessId, std::string>;  // and to whom
  // Heaps of several Go processes begin at the same address.
  std::map<std::pair<ProcessId, uint64_t>, std::vector<std::pair<Whose, ConnectionId>>> pools;
  for (const auto& history : histories.open) {
    const auto owner = histories.owners.find(history.facts.id);
    if (owner == histories.owners.end() || !owner->second->held) continue;
    const Held& held = *owner->second->held;
    if (held.free_list.empty()) continue;
    pools[{history.facts.opener, held.pool}].emplace_back(
        Whose(history.facts.opener, history.cohort.peer), history.facts.id);
  }
  std::map<Whose, std::vector<ConnectionId>> single;
  for (const auto& [pool, lying] : pools) {
    if (pool.second != 0 && lying.size() == 1) {
      single[lying.front().first].push_back(lying.front().second);
      continue;
    }
    for (const auto& [whose, id] : lying) x_given_back.insert(id);
  }
  for (const auto& [whose, ids] : single) {
    if (ids.size() < policy.many_floor) x_given_back.insert(ids.begin(), ids.end());
  }
}

// Measurements, log lines: a peer that never answered anybody, while those who send to it go on
// sending for longer than an upload lasts, or close, without waiting.
void Scene::learn_one_way() {
  constexpr size_t kFew = 3;
  struct Sign {
    bool answered = false;
    size_t unconcerned = 0;
  };
  std::map<std::pair<Kind, std::string>, Sign> signs;
  const auto look = [&](Sign& sign, const ConnectionFacts& facts, const Instant* closed_at) {
    sign.answered |= facts.bytes_received > 0 || facts.recv_queue > 0;
    if (facts.before_attach || !facts.last_send || !facts.requests[0]) return;
    const bool goes_on = *facts.last_send - facts.requests[0]->at > policy.long_floor;
    const bool closes =
        closed_at != nullptr && *closed_at - *facts.last_send < policy.settled_floor();
    sign.unconcerned += goes_on || closes ? 1 : 0;
  };
  for (const auto& group : siblings) {
    if (group.role != Role::kClient) continue;
    auto& sign = signs[{group.kind, group.peer}];
    for (const auto* cohort : group.cohorts) {
      for (const auto& sample : cohort->samples) look(sign, sample.facts, &sample.closed_at);
    }
  }
  for (const auto& history : histories.open) {
    if (history.facts.role != Role::kClient) continue;
    const auto sign = signs.find({history.cohort.kind, history.cohort.peer});
    if (sign != signs.end()) look(sign->second, history.facts, nullptr);
  }
  for (auto& group : siblings) {
    const auto sign = signs.find({group.kind, group.peer});
    if (group.role != Role::kClient || sign == signs.end() || sign->second.answered) continue;
    group.one_way = sign->second.unconcerned >= kFew;
  }
}

}  // namespace unclosed
