#include "collect/golang/find_goroutines.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "collect/golang/goroutine_state.h"
#include "collect/golang/memory_scan.h"

namespace unclosed {
namespace {

constexpr uint64_t kMostVariables = uint64_t{1} << 28;  // bytes that are looked through
constexpr size_t kChecked = 64;                         // goroutines

bool pointer(uint64_t word) { return word >= 4096 && word < uint64_t{1} << 47 && word % 8 == 0; }

struct Candidate {
  uint64_t slice = 0, data = 0, first = 0;
};

// Reads what `address` says of each candidate, `size` bytes each; drops those that cannot be read.
template <class Address>
Result<std::vector<std::byte>> read_each(RemoteMemory& memory, std::vector<Candidate>& candidates,
                                         size_t size, Address address) {
  std::vector<std::byte> bytes(candidates.size() * size);
  std::vector<RemoteMemory::Piece> pieces;
  for (size_t i = 0; i < candidates.size(); ++i) {
    pieces.push_back({address(candidates[i]), std::span(bytes).subspan(i * size, size)});
  }
  const auto read = memory.read(pieces);
  if (!read) return read.error();
  size_t kept = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!pieces[i].got) continue;
    candidates[kept] = candidates[i];
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(i * size), size,
                bytes.begin() + static_cast<ptrdiff_t>(kept * size));
    ++kept;
  }
  candidates.resize(kept);
  bytes.resize(kept * size);
  return bytes;
}

// What contradicts that these bytes are a goroutine.
std::optional<std::string> fault_of(Bytes g, const GoRuntimeLayout& layout) {
  const auto word = [&](uint32_t offset) { return load<uint64_t>(g, offset).value_or(0); };
  const auto status = goroutine_status(load<uint32_t>(g, layout.g_status).value_or(UINT32_MAX));
  const uint64_t id = word(layout.g_id);
  if (!status) return fmt::format("a state that no goroutine has (at {})", layout.g_status);
  if (*status == GoroutineStatus::kDead || *status == GoroutineStatus::kIdle) return std::nullopt;
  const uint64_t low = word(0), high = word(8), sp = word(layout.g_sched_sp);
  if (low >= high || high - low > kMostStack || !pointer(low))
    return fmt::format("goroutine {} without a stack", id);
  if (*status == GoroutineStatus::kWaiting && (sp < low || sp >= high))
    return fmt::format("goroutine {} waits outside of its stack", id);
  if (id == 0) return std::string("a goroutine without a number");
  return std::nullopt;
}

}  // namespace

Result<std::vector<uint64_t>> scan_for_goroutines(RemoteMemory& memory,
                                                  const GoRuntimeLayout& layout,
                                                  const std::array<AddressRange, 2>& variables) {
  std::vector<Candidate> candidates;
  for (const AddressRange& range : variables) {
    const auto scanned =
        scan_words(memory, range.start, std::min(range.end, range.start + kMostVariables), 3,
                   [&](uint64_t address, std::span<const uint64_t> words) {
                     for (size_t i = 0; i + 3 <= words.size(); ++i) {
                       if (words[i + 1] == 0 || words[i + 1] > words[i + 2] ||
                           words[i + 2] > kMostGoroutines || !pointer(words[i]))
                         continue;
                       candidates.push_back({address + i * 8, words[i], 0});
                     }
                   });
    if (!scanned) return scanned.error();
  }
  const auto firsts =
      read_each(memory, candidates, 8, [](const Candidate& one) { return one.data; });
  if (!firsts) return firsts.error();
  for (size_t i = 0; i < candidates.size(); ++i)
    candidates[i].first = load<uint64_t>(*firsts, i * 8).value_or(0);
  std::erase_if(candidates, [](const Candidate& one) { return !pointer(one.first); });
  const auto structures =
      read_each(memory, candidates, layout.g_size, [](const Candidate& one) { return one.first; });
  if (!structures) return structures.error();
  std::vector<uint64_t> found;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Bytes g = Bytes(*structures).subspan(i * layout.g_size, layout.g_size);
    const bool first = load<uint64_t>(g, layout.g_id) == uint64_t{1};
    const bool alive = load<uint64_t>(g, 0).value_or(0) != 0;
    if (first && alive && !fault_of(g, layout)) found.push_back(candidates[i].slice);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<std::optional<std::string>> check_goroutines(RemoteMemory& memory,
                                                    const GoRuntimeLayout& layout, uint64_t all) {
  using Answer = std::optional<std::string>;
  const auto slice = memory.load<GoSlice>(all);
  if (!slice) return slice.error();
  if (!*slice || (*slice)->length == 0 || (*slice)->length > (*slice)->capacity ||
      (*slice)->capacity > kMostGoroutines || !pointer((*slice)->data))
    return Answer("the list is none");
  std::vector<uint64_t> some(std::min<uint64_t>((*slice)->length, kChecked));
  const auto listed = memory.read((*slice)->data, std::as_writable_bytes(std::span(some)));
  if (!listed) return listed.error();
  if (!*listed) return Answer("the list is not in memory");
  std::vector<std::byte> g(layout.g_size);
  for (size_t i = 0; i < some.size(); ++i) {
    // What moves while it is read is asked again; what is wrong stays wrong.
    Answer fault;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const auto got = memory.read(some[i], g);
      if (!got) return got.error();
      fault = *got ? fault_of(g, layout) : Answer("a goroutine that is not in memory");
      if (!fault) break;
    }
    if (!fault && i == 0 && load<uint64_t>(Bytes(g), layout.g_id) != uint64_t{1})
      fault = "the first is not goroutine 1";
    if (fault) return fault;
  }
  return Answer();
}

}  // namespace unclosed
