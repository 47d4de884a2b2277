// What the ledger knows: histories of open connections, and what is remembered of the closed ones
// by cohort. Closed connections are kept as statistics and samples, so that memory follows what is
// open, not what has happened. Value types; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/connection.h"
#include "model/limit.h"
#include "model/owner.h"
#include "model/record.h"

namespace unclosed {

// What statistics and "siblings" refer to: connections opened by one stack (by its site), of one
// kind, to one peer. For accepted connections the peer is the local endpoint (the port they were
// accepted on): every client differs. Listeners have none: each has a port of its own.
struct CohortKey {
  StackId opened = kNoStack;  // kNoStack: opened before the attach, or the stack was not taken
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  std::string peer;  // text of the endpoint, or of the unix path; "" for kinds without one
  auto operator<=>(const CohortKey&) const = default;
};

// Counts in buckets of powers of two of a duration: bucket i holds [2^i, 2^(i+1)) microseconds, 0
// also all below.
struct DurationHistogram {
  static constexpr int kBuckets = 48;
  std::array<uint64_t, kBuckets> counts{};
  uint64_t total = 0;
  void add(Duration duration);
  void merge(const DurationHistogram& other);
  // The upper bound of the bucket in which the quantile (0..1) lies; nullopt when nothing was
  // added.
  std::optional<Duration> quantile(double q) const;
};

// How often a stack was seen closing or handing back members of a cohort.
struct StackCount {
  StackId stack = kNoStack;
  uint64_t count = 0;
};

// The stacks of one closed connection: what healthy members of a cohort look like.
struct ClosedSample {
  ConnectionFacts facts;
  Instant closed_at;
  StackId closed_by = kNoStack;
  bool by_collector = false;  // closed by a thread that runs finalizers
};

// One point of a cohort's course, taken at every scan.
struct CohortPoint {
  Instant at;
  uint32_t open = 0;  // members open
  uint32_t unused =
      0;  // of them: idle, no request outstanding, for longer than the cohort's usual idle time
};

// A member that was idle and then used again: what tells a pool or a cache from a leak.
struct Reuse {
  Instant idle_since, used_at;
  ProcessId process;
  StackId stack = kNoStack;  // of the request by which it was used
};

struct Cohort {
  uint64_t opened = 0;          // since the attach
  uint64_t closed = 0;          // of those opened since the attach
  uint64_t collected = 0;       // closed by threads that run finalizers; in no `closers`
  DurationHistogram lifetimes;  // of the closed ones
  DurationHistogram
      idle_gaps;  // longest idle gap of each member that was used again (open and closed)
  DurationHistogram
      busy_times;  // from a tenure's first request to the last answer, of closed members
  std::vector<Instant> openings;    // the most recent openings, oldest first, at most kMostOpenings
  std::vector<ProcessId> openers;   // who made each of `openings`, in the same order
  std::vector<Reuse> reuses;        // the most recent ones, oldest first, at most kMostReuses
  std::vector<StackCount> closers;  // most frequent first
  std::vector<ClosedSample> samples;  // a fair sample of the closed ones, at most kMostSamples
  std::vector<ClosedSample> firsts;   // the first of each closer's, at most kMostFirsts
  std::vector<CohortPoint> course;    // oldest first; thinned when long, both ends kept
  uint64_t passed_over_reused =
      0;  // members that had been passed over and were used again all the same
  static constexpr size_t kMostOpenings = 512;
  static constexpr size_t kMostReuses = 128;
  static constexpr size_t kMostClosers = 32;
  static constexpr size_t kMostSamples = 32;
  static constexpr size_t kMostFirsts = 8;
  static constexpr size_t kMostPoints = 512;
};

// An interval in which records were lost, while this connection was open.
struct Gap {
  Instant after, before;
  LossReason reason = LossReason::kRingFull;
  uint64_t count = 0;
};

// An open connection.
struct History {
  ConnectionFacts facts;
  std::vector<Descriptor> descriptors;
  std::vector<Copy> copies;  // of the descriptors, as far as it is known who made them
  CohortKey cohort;
  Instant first_seen, last_seen;
  uint32_t reused_after_passed_over = 0;  // times it was used again after having been passed over
  // How many connections of its cohort it stands for: more than one only where tens of thousands
  // are open and alike, and not all of them are copied. The sum over a cohort is exact.
  uint32_t stands_for = 1;
  // Times it received after having been idle, with no request before it: subscriptions, pushes.
  uint32_t pushes = 0;
  // Bytes have waited in the receive queue at every scan since then, untouched.
  std::optional<Instant> unread_since;
  // The queue was seen empty after the last receive and filled later: nobody had asked for it.
  bool unread_unasked = false;
};

// What processes that ended, while others went on, had open at their end, by how it was opened.
struct LeftCount {
  StackId opened = kNoStack;
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  ProcessId opener;  // one of them
  uint64_t count = 0;
};

// Everything the judge may look at. `now` is the moment it speaks of.
struct Histories {
  Instant attached;
  Instant now;
  std::vector<History> open;
  std::map<CohortKey, Cohort> cohorts;
  std::vector<Failed> failures;
  std::vector<Gap> gaps;
  std::vector<CohortPoint>
      descriptors_course;  // all descriptors of all targets, per scan (unused is 0)
  std::map<ProcessId, std::vector<std::pair<Instant, uint64_t>>>
      used_course;  // descriptors per process, per scan
  std::map<ProcessId, ProcessInfo> processes;
  std::map<ProcessId, Instant> ended;  // processes that are gone
  std::set<ProcessId> executed;        // of them, those that ran another program than they began as
  std::vector<LeftCount> left_behind;  // by those that are gone
  // Whom connections belong to, of those that somebody asked for; read at the end, from memory.
  std::map<ConnectionId, std::shared_ptr<const Owner>> owners;
  std::vector<LimitUse> limits;        // latest reading of each
  // Readings of the limits that are not counted in descriptors, oldest first.
  std::map<LimitKey, std::vector<LimitPoint>> limit_course;
  uint64_t opened_total = 0, closed_total = 0;
};

}  // namespace unclosed
