// How pools of Go libraries keep their connections: which list holds those that they may give to
// the next caller, and which fields of a pool and of a connection must agree before one in the list
// counts as given back. Looked up in the sources of each release in the range; of another release
// nothing is believed. Data only; any thread.
//
// How to add one
// 1. A line in pool_layouts.cc, by the libraries' own names of types and fields; a structure that
//    changed is one more line. Paths are those of TypedWalk.
// 2. A pool of it in src/cli/testdata/pools, built with the oldest and the newest release of the
//    range, where free_lists_root_test.cc finds it.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace unclosed {

// Minor releases of one library, both included: {9, 16} for v9.16.2.
struct PoolReleases {
  struct Release {
    int major = 0, minor = 0;
    auto operator<=>(const Release&) const = default;
  };
  std::string_view module;  // "": the standard library, whose releases are those of Go
  Release oldest, newest;
};

// What a field must be.
struct PoolFact {
  std::string_view path;
  uint64_t value = 0;  // of a number or bool; of a map or slice its length; 0 of a pointer: nil
};

// What tells for certain that something is a pool of this library, beside its fields' types.
enum class PoolProof : uint8_t {
  kBackPointer,   // each of its connections leads back to it
  kInterface,     // an interface value refers to it, which names its type
  kOwnInterface,  // its connections are held as values of an interface of the library's own
};

struct PoolLayout {
  PoolReleases releases;
  std::string_view pool;                // its type, up to '[' of a generic one: "database/sql.DB"
  std::string_view lock;                // a path to its mutex
  std::vector<std::string_view> lists;  // paths to the idle connections
  std::string_view every;               // a path to all connections, idle or not; "": none
  std::string_view connection;          // from one of them to what holds the net.Conn
  std::string_view back;                // from one of them to its pool; "": none
  PoolProof proof = PoolProof::kBackPointer;
  std::vector<PoolFact> idle;   // of a connection that is idle
  std::string_view entry_lock;  // a connection's own mutex; "": it has none
  std::string_view count;       // a path to how long its list is; "": there is no such field
};

std::span<const PoolLayout> pool_layouts();

// Fields by which libraries know all of their connections, in use or not.
struct Bookkeeping {
  std::string_view type;   // "database/sql.DB"
  std::string_view field;  // "dep"
};
std::span<const Bookkeeping> bookkeeping();

}  // namespace unclosed
