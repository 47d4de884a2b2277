// A case: candidates that one function is blamed for, of one kind, role and peer, with the course
// of their number. Evidence is weighed on a case, never on one connection. Immutable; any thread.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "judge/scene.h"
#include "model/finding.h"

namespace unclosed {

// How the number of left-alone connections went.
struct Rise {
  uint32_t arrivals = 0;  // members that came since the attach
  uint32_t windows = 8;   // equal parts of the time in which they could come
  uint32_t windows_hit = 0;
  Duration window{};
  bool steady = false;   // they kept coming, to the end, and not in a burst
  bool bounded = false;  // others went for those that came: the sum does not grow
  bool even = false;     // unmistakable: in nearly every window, many
  uint32_t first_floor = 0, last_floor = 0;  // of those left alone, first and last quarter
};

struct Case {
  const Scene* scene = nullptr;
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  std::string peer;
  size_t peers = 1;  // more than one: the same function left connections to many peers
  std::vector<const Member*> members;
  std::vector<size_t> siblings;               // that the members belong to, the commonest first
  std::set<const CohortKey*> keys;            // their raw cohorts
  uint64_t healed = 0;                        // closed by a collector
  uint64_t opened_here = 0, closed_here = 0;  // by the very stacks that opened the members
  Duration far{}, settled{};
  Rise rise;

  const Siblings& main_siblings() const { return scene->siblings[siblings.front()]; }
  uint32_t many() const { return scene->policy.many_floor; }
};

// Fills in all that follows from the members.
Case make_case(const Scene& scene, std::vector<const Member*> members, uint64_t healed);

}  // namespace unclosed
