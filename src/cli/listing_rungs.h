// The two ways to read the descriptors of processes, behind one call: an iterator in the kernel, or
// the links of /proc with the kernel's lists of sockets. One thread at a time; each works with
// several of its own.
#pragma once

#include <memory>

#include "base/result.h"
#include "cli/take_listing.h"
#include "model/listing.h"

namespace unclosed {

class ListingReader {
 public:
  virtual ~ListingReader() = default;
  // Fills in the descriptors of all processes, or what kept them from being read.
  virtual void read(Listing& listing, ListingNames names) = 0;
};

// The best that is possible, or the one asked for; notes in `listing` which it is, and why no
// better one.
Result<std::unique_ptr<ListingReader>> choose_rung(ListingRung asked, Listing& listing);

}  // namespace unclosed
