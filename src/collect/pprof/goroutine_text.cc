#include "collect/pprof/goroutine_text.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

namespace unclosed {
namespace {

constexpr std::string_view kGoroutine = "goroutine ", kBorder = "\ngoroutine ";
constexpr size_t kAhead = 256 << 10;     // read behind a piece, for the goroutine on its end
constexpr size_t kMostOfOne = 16 << 20;  // of one goroutine's text
constexpr unsigned kMostThreads = 4;

bool has_control(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r';
  });
}

// What one thread reads: pieces, one after the other, in one buffer.
class PieceReader {
 public:
  explicit PieceReader(const ByteSource& source) : x_source(source) {}

  // The goroutines that begin in [start, end).
  Status read(uint64_t start, uint64_t end) {
    // One byte before tells whether a line begins at `start`.
    x_base = start == 0 ? 0 : start - 1;
    x_size = 0;
    if (auto filled = fill(end - x_base + kAhead); !filled) return filled;
    size_t at = start == 0 ? 0 : line_start(0);
    // No runtime prints zeros: a file whose blocks were lost holds them.
    const auto own =
        text().substr(0, static_cast<size_t>(std::min<uint64_t>(x_size, end - x_base)));
    if (const size_t zero = own.find('\0'); zero != std::string_view::npos) damage(x_base + zero);
    while (x_base + at < end && at < x_size) {
      if (!text().substr(at).starts_with(kGoroutine)) {
        const size_t next = text().find(kBorder, at == 0 ? 0 : at - 1);
        if (next == std::string_view::npos) break;
        at = next + 1;
        continue;
      }
      const auto facts = whole(at);
      if (!facts) return facts.error();
      at = *facts ? take(**facts, at) : line_start(at);
    }
    if (x_at_end && x_base + x_size > start) last_line();
    return {};
  }

  StackTable table;
  std::optional<uint64_t> damaged_at;

 private:
  std::string_view text() const { return {x_buffer.data(), x_size}; }

  // Reads on, until the buffer holds `size` bytes or all that there is.
  Status fill(size_t size) {
    if (x_buffer.size() < size) x_buffer.resize(size);
    const auto got =
        x_source.read(x_base + x_size, std::span(x_buffer.data() + x_size, size - x_size));
    if (!got) return got.error();
    x_size += *got;
    x_at_end = x_size < size || x_base + x_size >= x_source.size();
    return {};
  }

  // Offset of the line behind the one that holds `at`.
  size_t line_start(size_t at) const {
    const size_t end = text().find('\n', at);
    return end == std::string_view::npos ? x_size : end + 1;
  }

  // Whether more text could change what was scanned.
  bool decided(const TraceFacts& facts, size_t at) const {
    if (x_at_end) return true;
    if (facts.end != TraceEnd::kOther) return facts.end != TraceEnd::kText;
    return line_start(line_start(at + facts.size)) < x_size;
  }

  // The goroutine at `at`; absent: the line is no header.
  Result<std::optional<TraceFacts>> whole(size_t at) {
    for (;;) {
      auto facts = scan_trace(text().substr(at));
      const bool is_line = line_start(at) < x_size;
      if (x_at_end || (facts ? decided(*facts, at) : is_line) || x_size - at >= kMostOfOne)
        return facts;
      if (auto filled = fill(x_size + std::max(kAhead, x_size - at)); !filled)
        return filled.error();
    }
  }

  size_t take(const TraceFacts& facts, size_t at) {
    table.add(facts, x_base + at);
    if (facts.broken_at) damage(x_base + at + *facts.broken_at);
    const size_t next = at + facts.size;
    if (facts.end == TraceEnd::kOther) {
      const auto line = text().substr(next, line_start(next) - next);
      if (has_control(line.substr(0, line.find('\n')))) damage(x_base + next);
    }
    return next;
  }

  // A header that was cut is no header.
  void last_line() {
    const size_t start = text().rfind('\n') + 1;
    const auto line = text().substr(start);
    if (line.empty()) return;
    if (line.starts_with(kGoroutine) ? !trace_header(line) : kGoroutine.starts_with(line))
      damage(x_base + start);
  }

  void damage(uint64_t offset) { damaged_at = std::min(offset, damaged_at.value_or(offset)); }

  const ByteSource& x_source;
  std::vector<char> x_buffer;
  uint64_t x_base = 0;  // offset of the buffer's first byte
  size_t x_size = 0;
  bool x_at_end = false;
};

}  // namespace

Result<TextDump> read_goroutine_text(const ByteSource& source, const TextDumpSettings& settings) {
  const uint64_t pieces = (source.size() + settings.piece - 1) / settings.piece;
  unsigned threads = settings.threads;
  if (threads == 0) threads = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
  threads = static_cast<unsigned>(std::clamp<uint64_t>(pieces, 1, threads));
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  TextDump dump;
  std::optional<Error> failure;
  const auto work = [&] {
    PieceReader reader(source);
    Status done;
    while (done) {
      const uint64_t piece = next++;
      if (piece >= pieces) break;
      const uint64_t start = piece * settings.piece;
      done = reader.read(start, std::min(start + settings.piece, source.size()));
    }
    const std::lock_guard lock(mutex);
    if (!done) failure = done.error();
    dump.table.merge(reader.table);
    if (reader.damaged_at)
      dump.damaged_at = std::min(*reader.damaged_at, dump.damaged_at.value_or(UINT64_MAX));
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  if (failure) return *failure;
  return dump;
}

}  // namespace unclosed
