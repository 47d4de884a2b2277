// The lists in which pools of Go libraries keep connections that they may give to the next caller:
// who is in one was given back, which speaks against a leak. Data only; any thread.
//
// To add a library: 1. a line in free_lists.cc, with the type as the runtime names it and the field
// that only idle connections are reached by, 2. a pool of it in src/cli/testdata/holders.
#pragma once

#include <span>
#include <string_view>

namespace unclosed {

struct FreeList {
  std::string_view type;   // "database/sql.DB"; up to '[' of a generic type
  std::string_view field;  // "freeConn"
};

std::span<const FreeList> free_lists();
// Fields by which libraries know all of their connections, in use or not.
std::span<const FreeList> bookkeeping();

}  // namespace unclosed
