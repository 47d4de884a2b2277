// The listing as one JSON document, schema "unclosed.listing/1". Fields may be added, never
// renamed. Pure; any thread.
#pragma once

#include <string>

#include "model/listing.h"

namespace unclosed {

enum class ListedRows : uint8_t { kCounted, kListed };
std::string listing_json(const Listing& listing, ListedRows rows);

}  // namespace unclosed
