// A profile in protocol buffers (debug=0 of net/http/pprof, runtime/pprof), as profile.proto of
// google/pprof defines it; inflated already. Goroutine, heap, allocs, goroutineleak, mutex and
// block profiles are read, others are refused by name. The table of texts stands at the end of what
// Go writes: a file that was cut has counts, and addresses instead of names. Pure; any thread.
//
// Fields read: Profile 1 sample_type, 2 sample, 4 location, 5 function, 6 string_table, 9
// time_nanos · ValueType 1 type · Sample 1 location_id, 2 value · Location 1 id, 3 address, 4 line
// · Line 1 function_id, 2 line · Function 1 id, 2 name, 4 filename.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "collect/pprof/captured.h"

namespace unclosed {

// kUnsupported: a profile of another kind (CPU), named. kCorrupt: no profile at all. kLimit: more
// parts than a process can have.
Result<Captured> read_proto_profile(Bytes bytes);

}  // namespace unclosed
