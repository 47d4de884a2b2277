// Pools of one service that are alike are told as one: a service that makes a pool for each request
// has thousands. Alike are those of one process with the same server and the same bound, of which
// all that it may lend is lent, or of none. Pure; any thread.
#pragma once

#include <vector>

#include "model/limit.h"

namespace unclosed {

// Of one process; what differs beyond that is told together, without a server.
inline constexpr size_t kMostPoolKinds = 16;

// The limits with pools that are alike joined, each at the place of the first of its kind.
std::vector<LimitUse> join_alike_pools(const std::vector<LimitUse>& uses);

}  // namespace unclosed
