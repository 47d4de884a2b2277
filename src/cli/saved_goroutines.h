// A saved profile or dump, or a log in which goroutines stand: behind prefixes, in JSON lines, with
// lines of others between them, several dumps one after the other. Of a log's dumps the last is
// told, with growth against the first. Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "collect/pprof/byte_source.h"
#include "collect/pprof/captured.h"

namespace unclosed {

// `name` stands for the source in what is told of it.
Result<Captured> read_saved(const ByteSource& source, const std::string& name);

}  // namespace unclosed
