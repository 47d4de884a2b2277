#include "collect/pprof/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace unclosed {
namespace {

constexpr size_t kFreely = 64 << 20, kMostTimes = 100, kMost = size_t{2} << 30;
constexpr int kGzipOnly = 16 + MAX_WBITS;

// zlib's state, freed whatever happens.
class Stream {
 public:
  Stream() { x_ready = inflateInit2(&x_stream, kGzipOnly) == Z_OK; }
  ~Stream() {
    if (x_ready) inflateEnd(&x_stream);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  bool ready() const { return x_ready; }
  z_stream& get() { return x_stream; }

 private:
  z_stream x_stream{};
  bool x_ready = false;
};

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
  Stream stream;
  if (!stream.ready()) return Error{ErrorKind::kLimit, "no memory to inflate with", "UC-E012"};
  const size_t most = std::min(kMost, std::max(kFreely, compressed.size() * kMostTimes));
  Inflated result;
  result.bytes.resize(std::clamp<size_t>(said_size(compressed), 4096, most));
  z_stream& z = stream.get();
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  size_t given = 0, made = 0;
  for (;;) {
    if (z.avail_in == 0) {
      const size_t more = std::min<size_t>(compressed.size() - given, 1 << 30);
      z.avail_in = static_cast<uInt>(more);
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
    z.next_out = reinterpret_cast<Bytef*>(result.bytes.data() + made);
    z.avail_out = static_cast<uInt>(room);
    const int answer = ::inflate(&z, Z_NO_FLUSH);
    made += room - z.avail_out;
    const size_t used = given - z.avail_in;
    if (answer == Z_STREAM_END) {
      // Members may follow each other.
      if (!is_gzip(compressed.substr(used)) || inflateReset(&z) != Z_OK) break;
      continue;
    }
    const bool starved = z.avail_in == 0 && given == compressed.size() && z.avail_out > 0;
    if ((answer != Z_OK && answer != Z_BUF_ERROR) || starved) {
      result.damaged_at = used;
      break;
    }
  }
  result.bytes.resize(made);
  return result;
}

}  // namespace unclosed
