#include "collect/pprof/inflate.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace unclosed {
namespace {

constexpr size_t kFreely = 64 << 20, kMostTimes = 100, kMost = size_t{2} << 30, kPiece = 1 << 20;
constexpr size_t kHeader = 64 << 10;

// The last four bytes tell how much will come out (of the last member, modulo 4 GB): where to
// begin.
Result<size_t> said_size(const ByteSource& compressed) {
  uint32_t size = 0;
  if (compressed.size() < sizeof size) return size_t{0};
  const auto read = compressed.read(compressed.size() - sizeof size,
                                    {reinterpret_cast<char*>(&size), sizeof size});
  if (!read) return read.error();
  return size / 8 > compressed.size() ? compressed.size() * 4 : size + size_t{1};
}

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Result<Inflated> inflate(const ByteSource& compressed) {
  const auto state = std::make_unique<inflate_state>();
  inflate_state& z = *state;
  isal_inflate_init(&z);
  z.crc_flag = ISAL_GZIP;
  const size_t most = std::min(kMost, std::max(kFreely, compressed.size() * kMostTimes));
  const auto said = said_size(compressed);
  if (!said) return said.error();
  Inflated result;
  result.bytes.resize(std::clamp<size_t>(*said, 4096, most));
  std::string piece(kPiece, '\0');
  uint64_t given = 0;
  bool at_end = false;
  size_t made = 0;
  for (;;) {
    if (z.avail_in == 0 && !at_end) {
      const auto more = compressed.read(given, piece);
      if (!more) return more.error();
      z.next_in = reinterpret_cast<uint8_t*>(piece.data());
      z.avail_in = static_cast<uint32_t>(*more);
      given += *more;
      at_end = *more == 0;
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
    const uint64_t used = given - z.avail_in;
    if (answer == ISAL_DECOMP_OK && z.block_state == ISAL_BLOCK_FINISH) {
      // Members may follow each other.
      const auto next = compressed.text(used, 2);
      if (!next) return next.error();
      if (!is_gzip(*next)) break;
      isal_inflate_reset(&z);
      // A header is understood only in one piece.
      if (z.avail_in < kHeader) {
        given = used;
        z.avail_in = 0;
      }
      continue;
    }
    const bool starved = z.avail_in == 0 && at_end && z.avail_out > 0;
    if (answer != ISAL_DECOMP_OK || starved) {
      result.damaged_at = used;
      break;
    }
  }
  result.bytes.resize(made);
  return result;
}

}  // namespace unclosed
