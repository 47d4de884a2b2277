#include "cli/go_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cli/goroutine_capture.h"
#include "cli/goroutine_names.h"
#include "cli/holder_names.h"
#include "cli/targets.h"
#include "collect/golang/goroutine_reader.h"
#include "collect/golang/holders.h"
#include "collect/golang/http_requests.h"
#include "collect/golang/poll_descriptors.h"
#include "collect/golang/sql_pools.h"
#include "collect/pprof/captured.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

// Goroutines by their ids, as they were read.
class ById {
 public:
  explicit ById(const GoroutineList& list) : x_list(list) {}
  const LiveGoroutine* find(uint64_t id) const {
    const auto at =
        std::lower_bound(x_list.goroutines.begin(), x_list.goroutines.end(), id,
                         [](const LiveGoroutine& one, uint64_t value) { return one.id < value; });
    return at != x_list.goroutines.end() && at->id == id ? &*at : nullptr;
  }

 private:
  const GoroutineList& x_list;
};

DescriptorWaiter waiter_of(uint64_t id, DescriptorWaiter::For what, const ById& goroutines,
                           int64_t now, const GoroutineNames& names) {
  DescriptorWaiter waiter;
  waiter.goroutine = id;
  waiter.what = what;
  const LiveGoroutine* goroutine = goroutines.find(id);
  if (goroutine == nullptr) return waiter;
  if (goroutine->waiting_since > 0 && goroutine->waiting_since < now)
    waiter.wait_seconds = static_cast<double>(now - goroutine->waiting_since) / 1e9;
  const auto& stack = names.stack(*goroutine).frames;
  auto at = own_frame(stack);
  if (!at) at = blocked_at(stack);
  if (at) waiter.at = stack[*at];
  return waiter;
}

Status add_descriptors(GoProcess& process, const GoroutineList& list, const GoroutineNames& names,
                       GoMemory& memory) {
  const auto polled = poll_descriptors(process);
  if (!polled) return polled.error();
  const auto calls = blocking_calls(process, list);
  if (!calls) return calls.error();
  const ById goroutines(list);
  using For = DescriptorWaiter::For;
  for (const PollDescriptor& one : *polled) {
    ParkedDescriptor& parked = memory.descriptors.emplace_back();
    parked.fd = one.fd;
    for (const auto& [id, what] : {std::pair{one.reader, For::kRead}, {one.writer, For::kWrite}}) {
      if (id != 0) parked.waiters.push_back(waiter_of(id, what, goroutines, list.read_at, names));
    }
  }
  std::sort(memory.descriptors.begin(), memory.descriptors.end(),
            [](const auto& a, const auto& b) { return a.fd < b.fd; });
  for (const BlockingCall& call : *calls) {
    auto at = std::lower_bound(memory.descriptors.begin(), memory.descriptors.end(), call.fd,
                               [](const auto& one, int fd) { return one.fd < fd; });
    if (at == memory.descriptors.end() || at->fd != call.fd)
      at = memory.descriptors.insert(at, ParkedDescriptor{call.fd, {}});
    auto waiter = waiter_of(call.goroutine, For::kCall, goroutines, list.read_at, names);
    waiter.thread = call.thread;
    waiter.call = call.call;
    at->waiters.push_back(std::move(waiter));
  }
  return {};
}

Status add_holders(GoProcess& process, const GoroutineList& list, HolderNames& names,
                   const WhoHolds& asked, GoMemory& memory) {
  std::vector<int> descriptors = asked.descriptors;
  if (asked.all) {
    for (const ParkedDescriptor& one : memory.descriptors) descriptors.push_back(one.fd);
  }
  const Instant begun = monotonic_now();
  auto held = holders_of(process, list, descriptors, names);
  if (!held) return held.error();
  held->seconds = seconds(monotonic_now() - begun);
  memory.held = std::move(*held);
  return {};
}

Result<GoroutineCapture> capture_once(GoProcess& process, ModuleStore& modules,
                                      Symbolizer& symbolizer, const WhoHolds& asked) {
  const Instant begun = monotonic_now();
  const auto list = read_goroutines(process);
  if (!list) return list.error();
  GoroutineNames names(process, *list, modules, symbolizer);
  GoroutineCapture capture = capture_goroutines(process, *list, names);
  const Instant grouped = monotonic_now();
  const auto added = add_descriptors(process, *list, names, *capture.memory);
  if (!added) return added.error();
  capture.memory->cost.goroutines = seconds(grouped - begun);
  capture.memory->cost.descriptors = seconds(monotonic_now() - grouped);
  auto pools = sql_pools(process, *list);
  if (!pools) return pools.error();
  capture.memory->pools = std::move(*pools);
  auto requests = http_requests(process, *list);
  if (!requests) return requests.error();
  capture.memory->requests = std::move(*requests);
  if (asked.asked()) {
    HolderNamesOf holders(process, modules, symbolizer);
    const auto held = add_holders(process, *list, holders, asked, *capture.memory);
    if (!held) return held.error();
  }
  const auto still = process.still_there();
  if (!still) return still.error();
  return capture;
}

// The first of them that is a Go process.
Result<GoProcess> open_any(const std::vector<ProcessId>& processes, ModuleStore& modules) {
  std::optional<Error> first;
  for (const ProcessId& process : processes) {
    auto opened = GoProcess::open(process, modules);
    if (opened) return opened;
    if (!first) first = opened.error();
  }
  return *first;
}

void wait(Duration window, const std::atomic<int>* interrupt) {
  const Instant end = monotonic_now() + window;
  while (monotonic_now() < end && (interrupt == nullptr || interrupt->load() == 0)) {
    std::this_thread::sleep_for(
        std::min<Duration>(end - monotonic_now(), std::chrono::milliseconds(50)));
  }
}

Captured captured(GoroutineCapture capture) {
  Captured one;
  one.kind = ProfileKind::kGoroutines;
  one.name = "goroutine";
  one.form = "memory";
  for (const GoroutineGroup& group : capture.groups)
    one.values.emplace_back(group.key, static_cast<int64_t>(group.count));
  std::sort(one.values.begin(), one.values.end());
  one.capture = std::move(capture);
  return one;
}

}  // namespace

Result<GoroutineCapture> capture_process(const GoProcessSettings& settings) {
  const auto found = find_targets({settings.target}, ProcFs());
  if (!found) return found.error();
  ModuleStore modules;
  Symbolizer symbolizer(modules, settings.rules);
  const Instant begun = monotonic_now();
  auto process = open_any(*found, modules);
  if (!process) return process.error();
  const double opened = seconds(monotonic_now() - begun);
  // Of two captures the last tells who holds what.
  auto first = capture_once(*process, modules, symbolizer,
                            settings.window ? WhoHolds() : settings.who_holds);
  if (!first) return first;
  first->memory->cost.open = opened;
  if (!settings.window) return first;
  const Instant before = monotonic_now();
  wait(*settings.window, settings.interrupt);
  auto last = capture_once(*process, modules, symbolizer, settings.who_holds);
  if (!last) return last;
  const double between = seconds(monotonic_now() - before);
  auto memory = std::move(last->memory);
  memory->cost.open = opened;
  const std::string source = last->source, rung = last->rung, go = last->go;
  std::vector<Captured> both;
  both.push_back(captured(std::move(*first)));
  both.push_back(captured(std::move(*last)));
  GoroutineCapture capture = combine(std::move(both));
  capture.memory = std::move(memory);
  capture.source = source;
  capture.rung = rung;
  capture.go = go;
  capture.seconds_between = between;
  return capture;
}

}  // namespace unclosed
