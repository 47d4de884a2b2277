// gzip, as profiles are saved with. What was cut or damaged is inflated up to there. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "collect/pprof/byte_source.h"

namespace unclosed {

bool is_gzip(std::string_view bytes);

struct Inflated {
  std::string bytes;
  std::optional<uint64_t> damaged_at;  // offset in the compressed bytes
};
// Reads the source in pieces. kLimit: more than a hundred times the compressed size would come out
// (and more than 64 MB), or more than 2 GB.
Result<Inflated> inflate(const ByteSource& compressed);

}  // namespace unclosed
