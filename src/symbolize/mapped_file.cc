#include "symbolize/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

namespace unclosed {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kGuarded = 8192;  // mappings that the handler knows; further ones are unguarded

struct Range {
  std::atomic<uint64_t> start{0}, end{0};
};
std::array<Range, kGuarded> g_ranges;
std::atomic<size_t> g_used{0};
std::mutex g_mutex;
struct sigaction g_previous;

void on_sigbus(int, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<uint64_t>(info->si_addr);
  for (size_t i = 0; i < g_used.load(std::memory_order_acquire); ++i) {
    if (at < g_ranges[i].start.load() || at >= g_ranges[i].end.load()) continue;
    void* page = reinterpret_cast<void*>(at & ~(kPage - 1));
    if (mmap(page, kPage, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
        MAP_FAILED)
      return;
  }
  sigaction(SIGBUS, &g_previous, nullptr);  // not ours: the access is repeated, and answered there
}

void guard(uint64_t start, uint64_t size) {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, &g_previous);
  });
  const std::lock_guard lock(g_mutex);
  for (size_t i = 0; i < kGuarded; ++i) {
    if (g_ranges[i].end.load() != 0) continue;
    g_ranges[i].start = start;
    g_ranges[i].end = start + size;
    if (i >= g_used.load()) g_used.store(i + 1, std::memory_order_release);
    return;
  }
}

void unguard(uint64_t start) {
  const std::lock_guard lock(g_mutex);
  for (size_t i = 0; i < g_used.load(); ++i) {
    if (g_ranges[i].start.load() != start) continue;
    g_ranges[i].end = 0;
    g_ranges[i].start = 0;
    return;
  }
}

}  // namespace

Result<MappedFile> MappedFile::map(const Fd& fd, const std::string& what) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return system_error(errno, what);
  if (!S_ISREG(status.st_mode) || status.st_size <= 0)
    return Error{ErrorKind::kCorrupt, what + ": not a regular file with contents"};
  const auto size = static_cast<uint64_t>(status.st_size);
  // Private and writable, so that libelf may put its own marks into its view of it.
  void* start =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd.get(), 0);
  if (start == MAP_FAILED) return system_error(errno, what);
  guard(reinterpret_cast<uint64_t>(start), size);
  MappedFile mapped;
  mapped.x_bytes = Bytes(static_cast<const std::byte*>(start), size);
  return mapped;
}

void MappedFile::reset() {
  if (x_bytes.empty()) return;
  unguard(reinterpret_cast<uint64_t>(x_bytes.data()));
  munmap(const_cast<std::byte*>(x_bytes.data()), x_bytes.size());
  x_bytes = {};
}

}  // namespace unclosed
