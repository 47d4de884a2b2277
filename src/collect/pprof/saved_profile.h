// Any profile or dump that net/http/pprof, runtime/pprof or the runtime writes, told apart by its
// content, never by its name: gzip, protobuf, text, tracebacks in the middle of a log. What it is
// otherwise is said in the error, with what to give instead. One thread at a time a call.
#pragma once

#include <string>

#include "base/result.h"
#include "collect/pprof/byte_source.h"
#include "collect/pprof/captured.h"

namespace unclosed {

// UC-E020: no profile of goroutines, memory or contention.
Result<Captured> read_profile(const ByteSource& source, const std::string& name);

}  // namespace unclosed
