#include "cli/parked.h"

#include <algorithm>
#include <utility>

#include "collect/golang/poll_descriptors.h"
#include "model/goroutine.h"

namespace unclosed {
namespace {

DescriptorWaiter waiter_of(uint64_t id, DescriptorWaiter::For what, const GoroutineList& list,
                           const GoroutineNames& names) {
  DescriptorWaiter waiter;
  waiter.goroutine = id;
  waiter.what = what;
  const LiveGoroutine* goroutine = find_goroutine(list, id);
  if (goroutine == nullptr) return waiter;
  if (goroutine->waiting_since > 0 && goroutine->waiting_since < list.read_at)
    waiter.wait_seconds = static_cast<double>(list.read_at - goroutine->waiting_since) / 1e9;
  const auto& stack = names.stack(*goroutine).frames;
  auto at = own_frame(stack);
  if (!at) at = blocked_at(stack);
  if (at) waiter.at = stack[*at];
  return waiter;
}

}  // namespace

const LiveGoroutine* find_goroutine(const GoroutineList& list, uint64_t id) {
  const auto& all = list.goroutines;
  const auto at =
      std::lower_bound(all.begin(), all.end(), id,
                       [](const LiveGoroutine& one, uint64_t value) { return one.id < value; });
  return at != all.end() && at->id == id ? &*at : nullptr;
}

Result<std::vector<ParkedDescriptor>> parked_descriptors(GoProcess& process,
                                                         const GoroutineList& list,
                                                         const GoroutineNames& names) {
  const auto polled = poll_descriptors(process);
  if (!polled) return polled.error();
  const auto calls = blocking_calls(process, list);
  if (!calls) return calls.error();
  using For = DescriptorWaiter::For;
  std::vector<ParkedDescriptor> all;
  for (const PollDescriptor& one : *polled) {
    ParkedDescriptor& parked = all.emplace_back();
    parked.fd = one.fd;
    for (const auto& [id, what] : {std::pair{one.reader, For::kRead}, {one.writer, For::kWrite}}) {
      if (id != 0) parked.waiters.push_back(waiter_of(id, what, list, names));
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.fd < b.fd; });
  for (const BlockingCall& call : *calls) {
    auto at = std::lower_bound(all.begin(), all.end(), call.fd,
                               [](const auto& one, int fd) { return one.fd < fd; });
    if (at == all.end() || at->fd != call.fd) at = all.insert(at, ParkedDescriptor{call.fd, {}});
    auto waiter = waiter_of(call.goroutine, For::kCall, list, names);
    waiter.thread = call.thread;
    waiter.call = call.call;
    at->waiters.push_back(std::move(waiter));
  }
  return all;
}

}  // namespace unclosed
