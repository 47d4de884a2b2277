// What is stored in a map of a Go process, by Go's own description of the map's type: buckets, as
// maps had them up to Go 1.23, or groups. It cannot tell a map that changes meanwhile from one that
// stands still: whoever needs one moment reads twice. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collect/golang/type_book.h"

namespace unclosed {

// Where the values lie of the map whose header is at `map` (0: a nil map, which has none); nullopt:
// it could not be read, or is laid out in a way not known. `left`: how many buckets may be read
// still; all calls share it, as a hostile map has as many as it likes.
std::optional<std::vector<uint64_t>> go_map_values(GoProcess& process, TypeBook& book,
                                                   const TypeInfo& type, uint64_t map,
                                                   uint64_t& left);

}  // namespace unclosed
