#include "cli/port_watch.h"

#include <algorithm>
#include <chrono>

namespace unclosed {
namespace {

constexpr Duration kEvery = std::chrono::seconds(2);
constexpr int kShare = 100;            // at most a hundredth of the time is spent asking
constexpr uint64_t kLeastShare = 100;  // told from a hundredth of the ports on
constexpr size_t kMostTold = 16;       // destinations of a namespace

}  // namespace

void PortWatch::read(const SockDiag& kernel, const ProcessId& target, RecordSink& sink) {
  const auto ports = kernel.ports();
  if (!ports || ports->usable == 0) return;
  const Instant now = monotonic_now();
  for (auto& [key, use] : x_told) {
    if (use.process == target) use.used = use.time_wait = 0;
  }
  size_t told = 0;
  for (const PortUse& one : ports->uses) {
    if (told++ == kMostTold || one.used * kLeastShare < ports->usable) break;
    std::string local = one.local.to_string();
    local.resize(std::min(local.rfind(':'), local.size()));
    LimitUse use{"local-ports",        target,           one.used,     ports->usable,
                 one.peer.to_string(), std::move(local), one.time_wait};
    x_told[use.key()] = use;
  }
  for (const auto& [key, use] : x_told) {
    if (use.process == target) sink.accept(LimitSeen{now, use});
  }
}

// Its namespace is another target's to speak for from now on.
void PortWatch::leave(const ProcessId& gone, RecordSink& sink) {
  for (auto entry = x_told.begin(); entry != x_told.end();) {
    auto& use = entry->second;
    const bool mine = use.process == gone;
    if (mine) {
      use.used = use.time_wait = 0;
      sink.accept(LimitSeen{monotonic_now(), use});
    }
    entry = mine ? x_told.erase(entry) : std::next(entry);
  }
}

void PortWatch::look(const std::vector<ProcessId>& targets, RecordSink& sink, When when) {
  const Instant began = monotonic_now();
  if ((when == When::kNowAndThen && began < x_next) || targets.empty()) return;
  const std::set<ProcessId> alive(targets.begin(), targets.end());
  for (auto entry = x_kernels.begin(); entry != x_kernels.end();) {
    const bool gone = !alive.contains(entry->first);
    if (gone && entry->second) {
      x_namespaces.erase(entry->second->network_namespace());
      leave(entry->first, sink);
    }
    entry = gone ? x_kernels.erase(entry) : std::next(entry);
  }
  for (const ProcessId& target : targets) {
    if (x_kernels.contains(target)) continue;
    auto& kernel = x_kernels[target];
    auto opened = SockDiag::open(target);
    if (opened && x_namespaces.insert(opened->network_namespace()).second) {
      kernel.emplace(*std::move(opened));
    }
  }
  for (const auto& [target, kernel] : x_kernels) {
    if (kernel) read(*kernel, target, sink);
  }
  const Instant ended = monotonic_now();
  x_next = ended + std::max<Duration>(kEvery, (ended - began) * kShare);
}

}  // namespace unclosed
