// Adds to a listing of one Go process which goroutines wait on its descriptors, from its memory.
// One thread at a time.
#pragma once

#include "model/listing.h"

namespace unclosed {

// Of a process of another runtime nothing is added; where its memory may not be read, a note.
void add_goroutines(Listing& listing);

}  // namespace unclosed
