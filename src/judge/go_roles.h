// What goroutines tell of connections by their stacks alone: who waits for a pool, who waits for a
// database's answer, who is stuck while a library holds a connection for it, and which goroutines
// of libraries stand for a connection each. Libraries are known by a table; an unknown one is not
// seen. Pure.
//
// To add a library: its line in go_roles.cc with the functions of its oldest and newest release,
// and a stack of it in go_roles_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/goroutine.h"

namespace unclosed {

enum class GoRole : uint8_t {
  kOther,
  kWaitsForPool,  // for a connection
  kInQuery,       // for the answer of a database, on behalf of own code
  kStuckHolding,  // parked in own code that a library called while it holds a connection
  kParkedInOwn,   // parked in own code for another reason; whether it holds anything is not told
};
GoRole role_of(const std::vector<NamedFrame>& stack, std::string_view state);
// Of a goroutine's state: whether only another goroutine ends it. A select may have a timer among
// its cases, a read its peer, and who sleeps goes on by itself.
bool waits_for_others(std::string_view state);
// The own frame that called the database's library, where one is on the stack (a driver may be own
// code too); else the innermost own frame. nullptr: there is no own frame.
const NamedFrame* own_caller(const std::vector<NamedFrame>& stack);

// Goroutines of libraries that stand for connections of one kind.
struct StandIn {
  std::string says;  // "HTTP connections whose answer was neither read to its end nor closed"
  uint64_t count = 0;
  bool conclusive = false;  // nothing but a leak leaves many of these
};
std::vector<StandIn> stand_ins(const std::vector<GoroutineGroup>& groups);

}  // namespace unclosed
