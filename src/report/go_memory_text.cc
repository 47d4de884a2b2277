#include "report/go_memory_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "report/printable.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostNumbers = 20;  // descriptors of one pool

std::string numbers(const SqlPool& pool, bool in_use) {
  std::vector<int> shown;
  size_t all = 0;
  for (const auto& one : pool.connections) {
    if (one.in_use != in_use || !one.fd) continue;
    if (++all <= kMostNumbers) shown.push_back(*one.fd);
  }
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (all > shown.size()) text += fmt::format(" and {} more", all - shown.size());
  return text;
}

void write_pool(const SqlPool& pool, TextPage& page) {
  const bool full = pool.max_open > 0 && pool.in_use >= pool.max_open;
  std::string text = fmt::format("{} in use, {} idle", pool.in_use, pool.idle);
  text += pool.max_open > 0 ? fmt::format(" of at most {}", pool.max_open) : " without a limit";
  if (full) text += " · exhausted";
  page.blank();
  page.bullet(0, "pool of database/sql", full ? Ink::kBad : Ink::kBold, text);
  if (pool.waits > 0) {
    page.item(2, "waits",
              fmt::format("{}, together {}", grouped(static_cast<uint64_t>(pool.waits)),
                          duration_words(pool.wait_seconds)));
  }
  if (const auto used = numbers(pool, true); !used.empty())
    page.item(2, "in use", "descriptors " + used);
  if (const auto idle = numbers(pool, false); !idle.empty())
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
  for (size_t i = 0; i < std::min(top, memory.pools.size()); ++i) write_pool(memory.pools[i], page);
  write_requests(memory, top, page);
  if (descriptors == DescriptorLines::kAll) write_descriptors(memory, page);
}

}  // namespace unclosed
