// The listing for a person at a terminal: one line a process, or one line a descriptor. Pure; any
// thread.
#pragma once

#include <string>

#include "model/listing.h"
#include "report/listing_summary.h"

namespace unclosed {

struct ListingStyle {
  bool colour = false;
  size_t width = 100;  // columns; SIZE_MAX: no line is cut
};

// One line a process, with its heading.
std::string listing_processes(const Listing& listing, const ListingStyle& style);

// What stands above the descriptors of one process: who it is, its limit, its trend.
std::string listing_process_head(const ListedProcess& process, const Listing& listing,
                                 const ListingStyle& style);
enum class PidColumn : uint8_t { kNone, kFirst };
std::string listing_rows_head(PidColumn pid);
// One line a descriptor. Of a hundred thousand: nothing is made for each but its line.
std::string listing_rows(const ListedProcess& process, PidColumn pid, const ListingStyle& style);

// What stands below: the rung, and what was not seen, with its remedy. `uid` is ours.
std::string listing_foot(const Listing& listing, uint32_t uid, const ListingStyle& style);

// "55s", "4m10s", "2h14m", "3d4h": for columns.
std::string short_duration(double seconds);
// "932", "14k", "1.2M": bytes, for columns.
std::string short_bytes(uint64_t bytes);

}  // namespace unclosed
