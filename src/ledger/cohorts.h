// What the ledger remembers by cohort: counts, lifetimes, idle gaps, recent openings, closers, a
// fair sample of the closed. Bounded: a cohort costs some kilobytes however many connections pass
// through it, and the cohorts longest unused give way when there are too many. One thread at a
// time.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "ledger/packed.h"
#include "model/history.h"

namespace unclosed {

// What of a connection decides its cohort, without building a text at every record.
struct CohortIdentity {
  StackId opened = kNoStack;
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  Endpoint endpoint;
  std::string name;
  bool operator==(const CohortIdentity&) const = default;
};
struct CohortIdentityHash {
  size_t operator()(const CohortIdentity& identity) const;
};
CohortIdentity cohort_identity(const ConnectionFacts& facts);
CohortKey cohort_key(const CohortIdentity& identity);

// The last `most` values, oldest first.
template <class T>
class Recent {
 public:
  explicit Recent(size_t most) : x_most(most) {}
  void add(const T& value) {
    if (x_values.size() < x_most) {
      x_values.push_back(value);
    } else {
      x_values[x_next] = value;
      x_next = (x_next + 1) % x_most;
    }
  }
  std::vector<T> in_order() const {
    std::vector<T> values(x_values.begin() + static_cast<ptrdiff_t>(x_next), x_values.end());
    values.insert(values.end(), x_values.begin(),
                  x_values.begin() + static_cast<ptrdiff_t>(x_next));
    return values;
  }
  // From the newest to the oldest, while `visit` answers true.
  template <class Visit>
  void newest_first(Visit visit) const {
    for (size_t i = 0; i < x_values.size(); ++i) {
      const size_t at = (x_next + x_values.size() - 1 - i) % x_values.size();
      if (!visit(x_values[at])) return;
    }
  }

 private:
  size_t x_most;
  size_t x_next = 0;
  std::vector<T> x_values;
};

struct Opening {
  Instant at;
  ProcessId process;
};

// Keeps every second point but the last when a course has become long.
template <class T>
void thin(std::vector<T>& course, size_t most) {
  if (course.size() <= most) return;
  size_t kept = 0;
  for (size_t i = 0; i < course.size(); i += 2) course[kept++] = course[i];
  if (course.size() % 2 == 0) course[kept++] = course.back();
  course.resize(kept);
}

struct CohortState {
  CohortIdentity identity;
  uint64_t opened = 0, closed = 0, collected = 0;
  uint32_t open_now = 0;
  uint32_t unused_now = 0;
  DurationHistogram lifetimes, closed_gaps, open_gaps, busy_times;
  Recent<Opening> openings{Cohort::kMostOpenings};
  Recent<Reuse> reuses{Cohort::kMostReuses};
  std::vector<StackCount> closers;
  struct Sample {
    PackedFacts facts;
    Instant closed_at;
    StackId closed_by = kNoStack;
    bool by_collector = false;
  };
  struct Samples {
    uint64_t seen = 0;
    std::vector<Sample> samples;
  };
  Samples closer_seen, closer_unseen;
  // The first that each closer closed: a rare one is not to be missed by the fair sample.
  std::vector<Sample> first_of_closer;
  std::vector<CohortPoint> course;
  uint64_t passed_over_reused = 0;
  uint64_t touched = 0;  // the last scan at which anything happened

  void add_opening(Instant at, const ProcessId& process);
  void add_closed(const Closed& record, Instant base, uint64_t random);
  // Openings by `process` that began in (after, before).
  uint32_t dials_between(const ProcessId& process, Instant after, Instant before) const;
  Cohort copy(Instant base) const;
};

class Cohorts {
 public:
  static constexpr size_t kMost = 4096;
  uint32_t find_or_add(const CohortIdentity& identity);
  CohortState& at(uint32_t index) { return *x_states[index]; }
  const CohortState& at(uint32_t index) const { return *x_states[index]; }
  // The number of slots; a slot may be empty.
  uint32_t slots() const { return static_cast<uint32_t>(x_states.size()); }
  bool used(uint32_t index) const { return x_states[index] != nullptr; }
  // Forgets cohorts without an open member, the longest unused first, down to kMost.
  void shrink();

 private:
  std::vector<std::unique_ptr<CohortState>> x_states;
  std::vector<uint32_t> x_free;
  std::unordered_map<CohortIdentity, uint32_t, CohortIdentityHash> x_index;
};

}  // namespace unclosed
