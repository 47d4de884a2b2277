#include "ledger/ledger.h"

#include <malloc.h>

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "ledger/cohorts.h"
#include "ledger/left_counts.h"
#include "model/activity.h"

namespace unclosed {
namespace {

constexpr size_t kMostGaps = 1024;
constexpr size_t kMostTombstones = 65536;
constexpr size_t kMostFailures = 4096;
constexpr size_t kMostLimits = 65536;
constexpr size_t kMostDialled = 4096;
// A dial that began sooner after the return of a connection may not have known of it.
constexpr Duration kDialRace = std::chrono::milliseconds(100);
constexpr uint32_t kPassingDials = 3;

struct Entry {
  PackedFacts packed;
  uint32_t cohort = 0;
  uint32_t scan = 0;  // the last scan that named it
  uint32_t reused_after_passed_over = 0, pushes = 0;
  bool use_tracked = false, before_attach = false, waiting = false, unread_unasked = false;
  Instant first_seen, last_seen, opened_at, idle_since;
  uint64_t request_count = 0, bytes_received = 0, recv_queue = 0;
  Duration longest_gap{};
  std::optional<Instant> unread_since;
};

struct FailureKey {
  ProcessId process;
  Attempt attempt;
  int errno_value;
  StackId stack;
  Endpoint peer;
  auto operator<=>(const FailureKey&) const = default;
};

}  // namespace

struct Ledger::State {
  Instant attached;
  Instant scan_began;
  uint32_t scan = 0;
  bool in_scan = false;
  uint64_t random = 0x2545f4914f6cdd1dULL;
  uint64_t opened_total = 0, closed_total = 0;
  std::unordered_set<uint16_t> listened;  // ports
  std::set<Endpoint> dialled;             // of the peers that somebody was seen dialling
  std::unordered_map<ConnectionId, Entry, ConnectionIdHash> open;
  // Closed since the scan before last: a scan may still name them from a copy read earlier.
  std::unordered_set<ConnectionId, ConnectionIdHash> closed_now, closed_before;
  Cohorts cohorts;
  std::map<FailureKey, Failed> failures;
  std::vector<Gap> gaps;
  std::vector<CohortPoint> descriptors_course;
  std::unordered_map<ProcessId, uint64_t, ProcessIdHash> used_in_scan;
  uint64_t descriptors_in_scan = 0;
  std::map<ProcessId, std::vector<std::pair<Instant, uint64_t>>> used_course;
  std::map<ProcessId, ProcessInfo> processes;
  std::map<ProcessId, Instant> ended;
  LeftCounts left_behind;
  std::map<LimitKey, LimitUse> limits;
  std::map<LimitKey, std::vector<LimitPoint>> limit_course;

  uint64_t next_random() {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
  }

  void operator()(const ScanBegin& record);
  void operator()(const Seen& record);
  void operator()(const ScanEnd& record);
  void operator()(const Closed& record);
  void operator()(const Vanished& record);
  void operator()(const Failed& record);
  void operator()(const Lost& record);
  void operator()(const ProcessSeen& record);
  void operator()(const ProcessGone& record);
  void operator()(const LimitSeen& record);

  void see(const ConnectionFacts& facts, const Seen& record);
  std::optional<Role> role_of(const ConnectionFacts& facts);
  Entry& add(const ConnectionFacts& facts, Instant at);
  void move_to(Entry& entry, const ConnectionFacts& facts);
  void update(Entry& entry, const ConnectionFacts& facts, Instant at);
  void note_reuse(Entry& entry, const ConnectionFacts& facts);
  void forget(std::unordered_map<ConnectionId, Entry, ConnectionIdHash>::iterator entry,
              Instant at);
  void take_points(Instant at);
  std::vector<CohortKey> copy_rest(Histories& copy, Instant now) const;
};

void Ledger::State::operator()(const ScanBegin& record) {
  ++scan;
  in_scan = true;
  scan_began = record.at;
  used_in_scan.clear();
  descriptors_in_scan = 0;
}

Entry& Ledger::State::add(const ConnectionFacts& facts, Instant at) {
  Entry& entry = open[facts.id];
  entry.first_seen = at;
  entry.opened_at = facts.opened.at;
  entry.before_attach = facts.before_attach;
  entry.cohort = cohorts.find_or_add(cohort_identity(facts));
  auto& cohort = cohorts.at(entry.cohort);
  ++cohort.open_now;
  cohort.touched = scan;
  if (!facts.before_attach) {
    cohort.add_opening(facts.opened.at, facts.opener);
    ++opened_total;
  }
  return entry;
}

// What a connection is becomes known step by step: its peer with connect(2), its role with the
// first use. It then changes cohort, and takes its opening along.
void Ledger::State::move_to(Entry& entry, const ConnectionFacts& facts) {
  auto identity = cohort_identity(facts);
  if (identity == cohorts.at(entry.cohort).identity) return;
  auto& old = cohorts.at(entry.cohort);
  --old.open_now;
  if (!facts.before_attach && old.opened > 0) --old.opened;
  entry.cohort = cohorts.find_or_add(identity);
  auto& cohort = cohorts.at(entry.cohort);
  ++cohort.open_now;
  if (!facts.before_attach) cohort.add_opening(facts.opened.at, facts.opener);
}

void Ledger::State::note_reuse(Entry& entry, const ConnectionFacts& facts) {
  if (facts.request_count <= entry.request_count || entry.waiting) return;
  // When exactly it was used again is known only for the last request.
  const Instant used_at = facts.requests[0] ? facts.requests[0]->at : *facts.last_send;
  if (used_at - entry.idle_since < kDialRace) return;
  auto& cohort = cohorts.at(entry.cohort);
  cohort.reuses.add({entry.idle_since, used_at, facts.opener,
                     facts.requests[0] ? facts.requests[0]->stack : kNoStack});
  const auto dials = cohort.dials_between(facts.opener, entry.idle_since + kDialRace, used_at);
  if (dials < kPassingDials) return;
  if (entry.reused_after_passed_over++ == 0) ++cohort.passed_over_reused;
}

void Ledger::State::update(Entry& entry, const ConnectionFacts& facts, Instant at) {
  move_to(entry, facts);
  if (entry.last_seen.ns != 0 && facts.last_send) note_reuse(entry, facts);
  const auto last = last_activity(facts);
  // New bytes after a silence, and nothing was asked: the other side speaks by itself.
  if (entry.last_seen.ns != 0 && !entry.waiting && facts.bytes_received > entry.bytes_received &&
      facts.last_receive && *facts.last_receive - entry.idle_since > kDialRace &&
      !(facts.last_send && *facts.last_send > entry.idle_since)) {
    ++entry.pushes;
  }
  entry.idle_since = last.value_or(entry.first_seen);
  entry.waiting = outstanding(facts, true);
  entry.use_tracked = is_socket(facts.kind) && facts.role != Role::kListener;
  entry.request_count = facts.request_count;
  entry.longest_gap = facts.longest_idle_gap;
  const bool read_since = facts.bytes_received != entry.bytes_received;
  if (facts.recv_queue == 0) {
    entry.unread_since.reset();
    entry.unread_unasked = false;
  } else if (!entry.unread_since || read_since) {
    // The queue was empty at the scan before, and nothing was sent or read since: not an answer.
    const bool was_empty = entry.last_seen.ns != 0 && entry.recv_queue == 0;
    entry.unread_unasked =
        !read_since && was_empty && last && *last < entry.last_seen &&
        !(facts.last_send && (!facts.last_receive || *facts.last_send > *facts.last_receive));
    entry.unread_since = at;
  }
  entry.bytes_received = facts.bytes_received;
  entry.recv_queue = facts.recv_queue;
  entry.last_seen = at;
}

// Who dialled, of a connection whose beginning was not seen: on a port that is listened on it was
// accepted; to a peer that others were seen dialling, or from a port that the kernel hands out for
// dialling to one that it does not, it was dialled. Else it stays unknown.
std::optional<Role> Ledger::State::role_of(const ConnectionFacts& facts) {
  constexpr uint16_t kFirstEphemeral = 32768;
  if (facts.kind != Kind::kTcp || facts.local.port == 0) return std::nullopt;
  if (facts.role == Role::kListener || facts.role == Role::kServer) {
    listened.insert(facts.local.port);
    return std::nullopt;
  }
  if (facts.role == Role::kClient && facts.peer.port != 0 && dialled.size() < kMostDialled) {
    dialled.insert(facts.peer);
  }
  if (facts.role != Role::kUnknown || facts.peer.port == 0) return std::nullopt;
  if (dialled.contains(facts.peer)) return Role::kClient;
  if (listened.contains(facts.local.port)) return Role::kServer;
  const bool from_ephemeral = facts.local.port >= kFirstEphemeral;
  if (from_ephemeral == (facts.peer.port >= kFirstEphemeral)) return std::nullopt;
  return from_ephemeral ? Role::kClient : Role::kServer;
}

void Ledger::State::operator()(const Seen& record) {
  if (const auto role = role_of(record.facts)) {
    ConnectionFacts facts = record.facts;
    facts.role = *role;
    see(facts, record);
  } else {
    see(record.facts, record);
  }
}

void Ledger::State::see(const ConnectionFacts& facts, const Seen& record) {
  if (closed_now.contains(facts.id) || closed_before.contains(facts.id)) return;
  const auto known = open.find(facts.id);
  Entry& entry = known != open.end() ? known->second : add(facts, record.at);
  update(entry, facts, record.at);
  entry.scan = scan;
  entry.packed = PackedFacts(facts, record.descriptors, attached, record.copies);
  for (const auto& descriptor : record.descriptors) ++used_in_scan[descriptor.process];
  descriptors_in_scan += record.descriptors.size();
}

void Ledger::State::forget(
    std::unordered_map<ConnectionId, Entry, ConnectionIdHash>::iterator entry, Instant at) {
  auto& cohort = cohorts.at(entry->second.cohort);
  const Closed closed{at, entry->second.packed.facts(attached), {}};
  left_behind.vanished(closed.facts, entry->second.packed.descriptors(attached));
  cohort.add_closed(closed, attached, next_random());
  --cohort.open_now;
  cohort.touched = scan;
  ++closed_total;
  open.erase(entry);
}

void Ledger::State::operator()(const ScanEnd& record) {
  if (!in_scan) return;
  in_scan = false;
  for (auto entry = open.begin(); entry != open.end();) {
    const auto next = std::next(entry);
    if (entry->second.scan != scan) {
      // Somewhere between the two scans: the middle is the fairest guess.
      const Instant last = entry->second.last_seen;
      forget(entry, last + (scan_began > last ? (scan_began - last) / 2 : Duration{}));
    }
    entry = next;
  }
  left_behind.settle();
  closed_before = std::move(closed_now);
  closed_now = {};
  opened_total = std::max(opened_total, record.opened_total);
  closed_total = std::max(closed_total, record.closed_total);
  take_points(record.at);
  cohorts.shrink();
}

void Ledger::State::take_points(Instant at) {
  for (uint32_t i = 0; i < cohorts.slots(); ++i) {
    if (!cohorts.used(i)) continue;
    cohorts.at(i).open_gaps = {};
    cohorts.at(i).unused_now = 0;
  }
  for (const auto& [id, entry] : open) {
    if (entry.longest_gap.count() > 0) cohorts.at(entry.cohort).open_gaps.add(entry.longest_gap);
  }
  std::vector<Duration> usual(cohorts.slots());
  for (uint32_t i = 0; i < cohorts.slots(); ++i) {
    if (!cohorts.used(i)) continue;
    const auto& cohort = cohorts.at(i);
    const bool tracked =
        is_socket(cohort.identity.kind) && cohort.identity.role != Role::kListener;
    DurationHistogram spans = tracked ? cohort.closed_gaps : cohort.lifetimes;
    if (tracked) spans.merge(cohort.open_gaps);
    usual[i] = spans.quantile(0.99).value_or(kDialRace);
  }
  for (const auto& [id, entry] : open) {
    const Instant since = entry.use_tracked ? entry.idle_since : entry.opened_at;
    // How long it lay before the attach is not known: long, until its next use tells otherwise.
    const bool untouched =
        entry.before_attach && (!entry.use_tracked || entry.idle_since == entry.first_seen);
    if (!entry.waiting && (untouched || at - since > usual[entry.cohort])) {
      ++cohorts.at(entry.cohort).unused_now;
    }
  }
  for (uint32_t i = 0; i < cohorts.slots(); ++i) {
    if (!cohorts.used(i)) continue;
    auto& cohort = cohorts.at(i);
    cohort.course.push_back({at, cohort.open_now, cohort.unused_now});
    thin(cohort.course, Cohort::kMostPoints);
  }
  descriptors_course.push_back({at, static_cast<uint32_t>(descriptors_in_scan), 0});
  thin(descriptors_course, Cohort::kMostPoints);
  for (const auto& [process, used] : used_in_scan) {
    auto& course = used_course[process];
    course.emplace_back(at, used);
    thin(course, Cohort::kMostPoints);
  }
}

void Ledger::State::operator()(const Closed& record) {
  const auto& facts = record.facts;
  if (facts.role == Role::kUnknown && role_of(facts)) {
    Closed known = record;
    known.facts.role = *role_of(facts);
    return (*this)(known);
  }
  if (closed_now.contains(facts.id) || closed_before.contains(facts.id)) return;
  uint32_t index = 0;
  if (const auto known = open.find(facts.id); known != open.end()) {
    move_to(known->second, facts);
    if (facts.last_send) note_reuse(known->second, facts);
    index = known->second.cohort;
    --cohorts.at(index).open_now;
    open.erase(known);
  } else {
    index = cohorts.find_or_add(cohort_identity(facts));
    if (!facts.before_attach) {
      cohorts.at(index).add_opening(facts.opened.at, facts.opener);
      ++opened_total;
    }
  }
  cohorts.at(index).touched = scan;
  cohorts.at(index).add_closed(record, attached, next_random());
  ++closed_total;
  if (closed_now.size() < kMostTombstones) closed_now.insert(facts.id);
}

void Ledger::State::operator()(const Vanished& record) {
  const auto known = open.find(record.id);
  if (known == open.end()) return;
  forget(known, record.after + (record.before - record.after) / 2);
  if (closed_now.size() < kMostTombstones) closed_now.insert(record.id);
}

void Ledger::State::operator()(const Failed& record) {
  const FailureKey key{record.process, record.attempt, record.errno_value, record.stack,
                       record.peer};
  if (failures.size() >= kMostFailures && !failures.contains(key)) return;
  failures[key] = record;
}

void Ledger::State::operator()(const Lost& record) {
  if (record.count == 0) return;
  const Gap gap{record.after, record.before, record.reason, record.count};
  if (gaps.size() < kMostGaps) {
    gaps.push_back(gap);
    return;
  }
  // Too many to keep apart: the last one grows, so that nothing of the loss is forgotten.
  gaps.back().after = std::min(gaps.back().after, gap.after);
  gaps.back().before = std::max(gaps.back().before, gap.before);
  gaps.back().count += gap.count;
}

void Ledger::State::operator()(const ProcessSeen& record) {
  processes[record.info.id] = record.info;
}

void Ledger::State::operator()(const ProcessGone& record) {
  ended[record.id] = record.at;
  if (record.looked_at_end) left_behind.ended(record.id);
  if (record.executed) left_behind.executed(record.id);
}

void Ledger::State::operator()(const LimitSeen& record) {
  const LimitKey key = record.limit.key();
  if (limits.size() >= kMostLimits && !limits.contains(key)) return;
  limits[key] = record.limit;
  if (record.limit.peer.empty()) return;
  limit_course[key].push_back({record.at, record.limit.used, record.limit.time_wait});
  thin(limit_course[key], Cohort::kMostPoints);
}

Ledger::Ledger(Instant attached) : x_state(std::make_unique<State>()) {
  x_state->attached = attached;
}
Ledger::~Ledger() = default;
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;

void Ledger::accept(const Record& record) { std::visit(*x_state, record); }

namespace {

History history_of(const Entry& entry, const CohortKey& key, Instant attached) {
  History history;
  history.facts = entry.packed.facts(attached);
  history.descriptors = entry.packed.descriptors(attached);
  history.copies = entry.packed.copies(attached);
  history.cohort = key;
  history.first_seen = entry.first_seen;
  history.last_seen = entry.last_seen;
  history.reused_after_passed_over = entry.reused_after_passed_over;
  history.pushes = entry.pushes;
  history.unread_since = entry.unread_since;
  history.unread_unasked = entry.unread_unasked;
  return history;
}

// The same records give the same histories, whatever the order in the table.
void sort_by_identity(std::vector<History>& histories) {
  std::sort(histories.begin(), histories.end(),
            [](const History& a, const History& b) { return a.facts.id < b.facts.id; });
}

using OpenTable = std::unordered_map<ConnectionId, Entry, ConnectionIdHash>;
using Chosen = std::vector<std::pair<OpenTable::const_iterator, uint32_t>>;
// Which open connections to copy, and how many each stands for. A cohort keeps the longest idle
// half of its share in full, for that is where leaks are, and every n-th of the others.
Chosen choose(const OpenTable& open, size_t cohorts) {
  constexpr size_t kLeastShare = 1000;
  Chosen chosen;
  std::vector<std::vector<OpenTable::const_iterator>> members(cohorts);
  for (auto at = open.begin(); at != open.end(); ++at) {
    if (open.size() <= Ledger::kMostCopied) {
      chosen.emplace_back(at, 1);
    } else {
      members[at->second.cohort].push_back(at);
    }
  }
  for (auto& cohort : members) {
    if (cohort.empty()) continue;
    const size_t share = std::max(kLeastShare, Ledger::kMostCopied * cohort.size() / open.size());
    std::sort(cohort.begin(), cohort.end(), [](const auto& a, const auto& b) {
      return std::pair(a->second.idle_since, a->first) < std::pair(b->second.idle_since, b->first);
    });
    const size_t full = cohort.size() <= share ? cohort.size() : share / 2;
    for (size_t i = 0; i < full; ++i) chosen.emplace_back(cohort[i], 1);
    const size_t rest = cohort.size() - full;
    const size_t kept = rest == 0 ? 0 : share - full;
    for (size_t i = 0; i < kept; ++i) {
      const size_t from = full + rest * i / kept;
      const size_t to = full + rest * (i + 1) / kept;
      chosen.emplace_back(cohort[from], static_cast<uint32_t>(to - from));
    }
  }
  return chosen;
}

}  // namespace

// Everything but the open connections; answers the key of each cohort's slot.
std::vector<CohortKey> Ledger::State::copy_rest(Histories& copy, Instant now) const {
  copy.attached = attached;
  copy.now = now;
  std::vector<CohortKey> keys(cohorts.slots());
  for (uint32_t i = 0; i < cohorts.slots(); ++i) {
    if (!cohorts.used(i)) continue;
    keys[i] = cohort_key(cohorts.at(i).identity);
    copy.cohorts.emplace(keys[i], cohorts.at(i).copy(attached));
  }
  for (const auto& [key, failure] : failures) copy.failures.push_back(failure);
  copy.gaps = gaps;
  copy.descriptors_course = descriptors_course;
  copy.used_course = used_course;
  copy.processes = processes;
  copy.ended = ended;
  copy.executed = left_behind.executed();
  copy.left_behind = left_behind.all();
  for (const auto& [key, limit] : limits) copy.limits.push_back(limit);
  copy.limit_course = limit_course;
  copy.opened_total = opened_total;
  copy.closed_total = closed_total;
  return keys;
}

Histories Ledger::histories(Instant now) const {
  Histories copy;
  const auto keys = x_state->copy_rest(copy, now);
  const auto chosen = choose(x_state->open, x_state->cohorts.slots());
  copy.open.reserve(chosen.size());
  for (const auto& [entry, stands_for] : chosen) {
    copy.open.push_back(history_of(entry->second, keys[entry->second.cohort], x_state->attached));
    copy.open.back().stands_for = stands_for;
  }
  sort_by_identity(copy.open);
  return copy;
}

Histories Ledger::take_histories(Instant now) && {
  Histories taken = histories(now);
  const Instant attached = x_state->attached;
  x_state = std::make_unique<State>();
  x_state->attached = attached;
  // Freed memory stays resident until it is handed back.
  malloc_trim(0);
  return taken;
}

}  // namespace unclosed
