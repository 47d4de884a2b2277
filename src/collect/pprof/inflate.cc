#include "collect/pprof/inflate.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace unclosed {
namespace {

constexpr size_t kFreely = 64 << 20, kMostTimes = 100, kMost = size_t{2} << 30;

// The last four bytes tell how much will come out (of the last member, modulo 4 GB): where to
// begin.
size_t said_size(std::string_view compressed) {
  uint32_t size = 0;
  if (compressed.size() < sizeof size) return 0;
  std::memcpy(&size, compressed.data() + compressed.size() - sizeof size, sizeof size);
  return size / 8 > compressed.size() ? compressed.size() * 4 : size + size_t{1};
}

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Result<Inflated> inflate(std::string_view compressed) {
  const auto state = std::make_unique<inflate_state>();
  inflate_state& z = *state;
  isal_inflate_init(&z);
  z.crc_flag = ISAL_GZIP;
  const size_t most = std::min(kMost, std::max(kFreely, compressed.size() * kMostTimes));
  Inflated result;
  result.bytes.resize(std::clamp<size_t>(said_size(compressed), 4096, most));
  z.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(compressed.data()));
  size_t given = 0, made = 0;
  for (;;) {
    if (z.avail_in == 0) {
      const size_t more = std::min<size_t>(compressed.size() - given, 1 << 30);
      z.avail_in = static_cast<uint32_t>(more);
      given += more;
    }
    if (made == result.bytes.size()) {
      if (made >= most)
        return Error{ErrorKind::kLimit,
                     "the compressed data would fill more than 2 GB, or more "
                     "than a hundred times its own size",
                     "UC-E012"};
      result.bytes.resize(std::min(most, made * 2));
    }
    const size_t room = std::min<size_t>(result.bytes.size() - made, 1 << 30);
    z.next_out = reinterpret_cast<uint8_t*>(result.bytes.data() + made);
    z.avail_out = static_cast<uint32_t>(room);
    const int answer = isal_inflate(&z);
    made += room - z.avail_out;
    const size_t used = given - z.avail_in;
    if (answer == ISAL_DECOMP_OK && z.block_state == ISAL_BLOCK_FINISH) {
      // Members may follow each other.
      if (!is_gzip(compressed.substr(used))) break;
      isal_inflate_reset(&z);
      continue;
    }
    const bool starved = z.avail_in == 0 && given == compressed.size() && z.avail_out > 0;
    if (answer != ISAL_DECOMP_OK || starved) {
      result.damaged_at = used;
      break;
    }
  }
  result.bytes.resize(made);
  return result;
}

}  // namespace unclosed
