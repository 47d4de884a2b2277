// Who holds the connections, as far as goroutines and the pools' own reports tell; and what follows
// from that: leak, slow or too small, and the line. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "judge/go_roles.h"
#include "judge/hunt.h"
#include "judge/hunt_pools.h"

namespace unclosed {

enum class HoldKind : uint8_t {
  kReported,   // by the pool's own detection, and not given back
  kLate,       // reported, and given back after all
  kLeftOpen,   // whoever opened it has ended or went on to something else
  kNested,     // who holds one waits for another one of the same pool
  kStuck,      // who holds one is parked
  kInRequest,  // parked in the midst of a request; that it holds one follows from the others
  kInQuery,    // waits for the database's answer
};

// Holders at one line of own code; without one where it is not known.
struct HoldSite {
  HoldKind kind = HoldKind::kStuck;
  std::optional<NamedFrame> frame;
  bool at_opening = false;  // the frame opened it, and need not be there any more
  uint64_t count = 0;
  std::string says;  // "12 goroutines are parked in chan receive for 12 min"
};

struct Holding {
  bool goroutines_seen = false;
  uint64_t waiting = 0;  // goroutines that wait for a pool
  uint64_t in_query = 0;
  uint64_t in_query_long = 0;        // of these: for a minute and more
  uint64_t leaked = 0;               // held by those that will not give them back
  std::vector<HoldSite> sites;       // by kind and line, most first
  std::vector<HoldSite> candidates;  // parked in own code: whether they hold any is not told
  std::vector<StandIn> stand_ins;
  // Open transactions and results in all, by the goroutines that watch over them.
  uint64_t watched = 0;
};
Holding holding_of(const HuntInput& input);

struct Diagnosed {
  Diagnosis diagnosis = Diagnosis::kUnknown;
  std::string reason;  // "" where nothing is to be diagnosed
};
struct DiagnosisFacts {
  const PoolCourse* course = nullptr;  // of the pool in question, where counters tell of one
  bool exhausted = false;              // somebody lacks connections: by counters or by the log
  bool timed_out = false;              // the log tells of operations that took too long
  bool statements_given_up = false;    // by the server
};
Diagnosed diagnose(const Holding& holding, const DiagnosisFacts& facts);

// The line, where most of what counts for the diagnosis is held at one; nullopt: none is.
std::optional<Blame> blame_of(const Holding& holding, Diagnosis diagnosis);

}  // namespace unclosed
