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
#include "cli/parked.h"
#include "cli/targets.h"
#include "collect/golang/goroutine_reader.h"
#include "collect/golang/holders.h"
#include "collect/golang/http_requests.h"
#include "collect/golang/sql_pools.h"
#include "collect/pprof/captured.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

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
  auto parked = parked_descriptors(process, *list, names);
  if (!parked) return parked.error();
  capture.memory->descriptors = std::move(*parked);
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
