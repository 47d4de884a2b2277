#include "report/go_memory_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "report/printable.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostNumbers = 20;  // descriptors of one pool

// Pools with the same numbers: a service that makes one for each request has thousands.
using AlikePools = std::vector<const SqlPool*>;

std::vector<AlikePools> alike_pools(const std::vector<SqlPool>& pools) {
  std::vector<AlikePools> kinds;
  std::map<std::tuple<int64_t, int64_t, int64_t, int64_t>, size_t> known;
  for (const SqlPool& pool : pools) {
    const auto [at, fresh] =
        known.try_emplace({pool.in_use, pool.idle, pool.max_open, pool.waits}, kinds.size());
    if (fresh) kinds.emplace_back();
    kinds[at->second].push_back(&pool);
  }
  return kinds;
}

std::string numbers(const AlikePools& pools, bool in_use) {
  std::vector<int> shown;
  size_t all = 0;
  for (const SqlPool* pool : pools) {
    for (const auto& one : pool->connections) {
      if (one.in_use != in_use || !one.fd) continue;
      if (++all <= kMostNumbers) shown.push_back(*one.fd);
    }
  }
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (all > shown.size()) text += fmt::format(" and {} more", all - shown.size());
  return text;
}

void write_pools(const AlikePools& pools, TextPage& page) {
  const SqlPool& pool = *pools.front();
  const bool many = pools.size() > 1;
  const bool full = pool.max_open > 0 && pool.in_use >= pool.max_open;
  std::string text =
      fmt::format("{}{} in use, {} idle", many ? "each " : "", pool.in_use, pool.idle);
  text += pool.max_open > 0 ? fmt::format(" of at most {}", pool.max_open) : " without a limit";
  if (full) text += " · exhausted";
  page.blank();
  page.bullet(0, many ? grouped(pools.size()) + " pools of database/sql" : "pool of database/sql",
              full ? Ink::kBad : Ink::kBold, text);
  if (pool.waits > 0) {
    double seconds = 0;
    for (const SqlPool* one : pools) seconds += one->wait_seconds;
    page.item(2, "waits",
              fmt::format("{}{}, together {}", many ? "each " : "",
                          grouped(static_cast<uint64_t>(pool.waits)), duration_words(seconds)));
  }
  if (const auto used = numbers(pools, true); !used.empty())
    page.item(2, "in use", "descriptors " + used);
  if (const auto idle = numbers(pools, false); !idle.empty())
    page.item(2, "idle", "descriptors " + idle);
}

void write_requests(const GoMemory& memory, size_t top, TextPage& page) {
  if (memory.requests.empty()) return;
  page.blank();
  page.line(0, page.paint("HTTP/1 requests at this moment", Ink::kBold));
  for (size_t i = 0; i < std::min(top, memory.requests.size()); ++i) {
    const HttpRequest& request = memory.requests[i];
    page.bullet(2, to_string(request.role), Ink::kPlain,
                fmt::format("{} {}  (descriptor {}, goroutine {})", printable(request.method),
                            printable(request.path), request.fd, request.goroutine));
  }
  if (memory.requests.size() > top)
    page.line(2, fmt::format("and {} more", grouped(memory.requests.size() - top)));
}

std::string words_of(const DescriptorWaiter& waiter) {
  std::string text = fmt::format("goroutine {} ", waiter.goroutine);
  if (waiter.what == DescriptorWaiter::For::kCall) {
    text += fmt::format("in {} on thread {}", waiter.call, waiter.thread);
  } else {
    text += fmt::format("waits to {}", to_string(waiter.what));
  }
  if (waiter.wait_seconds)
    text += fmt::format(" for at least {}", duration_words(*waiter.wait_seconds));
  if (waiter.at) {
    text += "  " + printable(waiter.at->function);
    if (!waiter.at->file.empty())
      text += fmt::format(" {}:{}", printable(waiter.at->file), waiter.at->line);
  }
  return text;
}

void write_descriptors(const GoMemory& memory, TextPage& page) {
  page.blank();
  page.line(0, page.paint("descriptors and who waits on them", Ink::kBold));
  size_t idle = 0;
  for (const ParkedDescriptor& one : memory.descriptors) {
    if (one.waiters.empty()) ++idle;
    for (const DescriptorWaiter& waiter : one.waiters)
      page.bullet(2, fmt::format("{:>5}", one.fd), Ink::kPlain, words_of(waiter));
  }
  if (memory.descriptors.empty()) page.line(2, "the runtime polls none");
  if (idle > 0) page.line(2, fmt::format("nobody waits on {} more", grouped(idle)));
}

}  // namespace

void write_go_memory(const GoMemory& memory, size_t top, DescriptorLines descriptors,
                     TextPage& page) {
  const auto pools = alike_pools(memory.pools);
  for (size_t i = 0; i < std::min(top, pools.size()); ++i) write_pools(pools[i], page);
  if (pools.size() > top) {
    size_t rest = 0;
    for (size_t i = top; i < pools.size(); ++i) rest += pools[i].size();
    page.blank();
    page.line(0, "and " + counted(rest, "more pool", "more pools") + " of database/sql");
  }
  write_requests(memory, top, page);
  if (descriptors == DescriptorLines::kAll) write_descriptors(memory, page);
}

}  // namespace unclosed
