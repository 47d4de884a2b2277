#include "collect/seccomp/goroutines.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <vector>

namespace unclosed {
namespace {

constexpr size_t kMostProcesses = 256;
constexpr uint64_t kMostGoroutines = 65536;
constexpr size_t kBatch = 512;  // pieces of memory that one call reads
// The service waits while all are listed: for that share of the time at most, of which so much may
// be saved up. A goroutine that was just begun dials, which grows its stack, and asks at once: each
// step may take a listing. Each counts for so long at least.
constexpr int kListShare = 20;
constexpr Duration kMostSaved = std::chrono::milliseconds(5);
constexpr Duration kLeastCost = std::chrono::microseconds(20);

// What the runtime's g begins with, in every release: the bounds of its stack.
struct StackBounds {
  uint64_t low = 0, high = 0;
};

bool read(uint32_t process, uint64_t at, void* into, size_t size) {
  const iovec local{into, size}, remote{reinterpret_cast<void*>(at), size};
  return ::process_vm_readv(static_cast<pid_t>(process), &local, 1, &remote, 1, 0) ==
         static_cast<ssize_t>(size);
}

}  // namespace

void Goroutines::tell(uint32_t process, const GoroutinePlace& place) {
  const std::lock_guard lock(x_mutex);
  if (x_processes.size() >= kMostProcesses && !x_processes.contains(process)) x_processes.clear();
  Known& known = x_processes[process];
  if (known.place != place) known = {place, {}, kMostSaved, monotonic_now()};
}

// The goroutine whose stack was seen around sp, if it is there still. All is read at once.
std::optional<Goroutines::Running> Goroutines::ask(uint32_t process, const Known& known,
                                                   uint64_t sp, std::span<uint8_t> stack) {
  const auto after = known.by_stack.upper_bound(sp);
  if (after == known.by_stack.begin()) return std::nullopt;
  const auto& [high, address] = std::prev(after)->second;
  if (sp >= high) return std::nullopt;
  StackBounds bounds;
  Running running;
  running.copied = std::min<uint64_t>(stack.size(), high - sp);
  const std::array local{iovec{&bounds, sizeof bounds}, iovec{&running.id, sizeof running.id},
                         iovec{stack.data(), running.copied}};
  const std::array remote{
      iovec{reinterpret_cast<void*>(address), sizeof bounds},
      iovec{reinterpret_cast<void*>(address + known.place.id_offset), sizeof running.id},
      iovec{reinterpret_cast<void*>(sp), running.copied}};
  const ssize_t got = ::process_vm_readv(static_cast<pid_t>(process), local.data(), local.size(),
                                         remote.data(), remote.size(), 0);
  const size_t wanted = sizeof bounds + sizeof running.id + running.copied;
  if (got != static_cast<ssize_t>(wanted) || running.id == 0) return std::nullopt;
  if (bounds.low > sp || bounds.high != high) return std::nullopt;
  return running;
}

void Goroutines::list(uint32_t process, Known& known) {
  struct {
    uint64_t first = 0, count = 0;
  } slice;
  known.by_stack.clear();
  if (!read(process, known.place.all, &slice, sizeof slice)) return;
  std::vector<uint64_t> all(std::min(slice.count, kMostGoroutines));
  if (all.empty() || !read(process, slice.first, all.data(), all.size() * sizeof all[0])) return;
  std::vector<StackBounds> bounds(all.size());
  std::vector<iovec> remote(kBatch);
  for (size_t from = 0; from < all.size(); from += kBatch) {
    const size_t count = std::min(kBatch, all.size() - from);
    for (size_t i = 0; i < count; ++i) {
      remote[i] = {reinterpret_cast<void*>(all[from + i]), sizeof(StackBounds)};
    }
    const iovec local{bounds.data() + from, count * sizeof(StackBounds)};
    ::process_vm_readv(static_cast<pid_t>(process), &local, 1, remote.data(), count, 0);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (bounds[i].high > bounds[i].low) known.by_stack[bounds[i].low] = {bounds[i].high, all[i]};
  }
}

std::optional<Goroutines::Running> Goroutines::running_on(uint32_t process, uint64_t sp,
                                                          std::span<uint8_t> stack) {
  const std::lock_guard lock(x_mutex);
  const auto found = x_processes.find(process);
  if (found == x_processes.end() || found->second.place.all == 0) return std::nullopt;
  Known& known = found->second;
  if (const auto running = ask(process, known, sp, stack)) return running;
  const Instant now = monotonic_now();
  known.saved = std::min<Duration>(kMostSaved, known.saved + (now - known.counted) / kListShare);
  known.counted = now;
  if (known.saved <= Duration::zero()) return std::nullopt;
  list(process, known);
  known.saved -= std::max<Duration>(kLeastCost, monotonic_now() - now);
  return ask(process, known, sp, stack);
}

}  // namespace unclosed
