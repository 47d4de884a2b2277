// A profile as text (debug=1 of net/http/pprof): counts of goroutines, a heap, or contention, with
// names under each stack. Goroutine profiles leave out the runtime's inner frames. Heap samples are
// scaled by their sampling rate, as in the protobuf form. Pure; any thread.
//
//   goroutine profile: total 29               heap profile: 3: 4144 [9: 8240] @ heap/1048576
//   3 @ 0x489b2e 0x4195bc                     1: 4096 [2: 8192] @ 0x66c9b9
//   # labels: {"path":"/buy"}                 --- contention:
//   #	0x6718a8	main.produce+0x28	/src/main.go:24   cycles/second=2400000000
//                                             123456 4 @ 0x66c9b9
#pragma once

#include <string_view>

#include "base/result.h"
#include "collect/pprof/captured.h"

namespace unclosed {

// Whether text begins like one of these profiles.
bool is_text_profile(std::string_view text);
// kCorrupt: it does not. What was cut is read up to there.
Result<Captured> read_text_profile(std::string_view text);

}  // namespace unclosed
