#include "cli/take_listing.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "cli/crew.h"
#include "cli/listing_rungs.h"
#include "judge/limits.h"

namespace unclosed {
namespace {

constexpr Duration kBetweenCounts = std::chrono::milliseconds(250);
constexpr Duration kLongestNap = std::chrono::milliseconds(50);

// nullopt: it has ended, or has no program of its own.
std::optional<ListedProcess> introduce(const ProcessId& process, const ProcFs& proc) {
  auto summary = proc.summary(process.pid);
  if (!summary || summary->id != process) return std::nullopt;
  ListedProcess listed;
  listed.id = process;
  listed.comm = std::move(summary->comm);
  listed.command = std::move(summary->command);
  listed.uid = summary->uid;
  listed.started = proc.started(process);
  return listed;
}

std::vector<ListedProcess> introduce_all(const ListingSettings& settings, const ProcFs& proc,
                                         Listing& listing) {
  std::vector<ListedProcess> processes;
  for (const ProcessId& target : settings.targets) {
    auto one = introduce(target, proc);
    if (one) {
      processes.push_back(*std::move(one));
    } else {
      listing.gone.push_back(target);
    }
  }
  if (!settings.targets.empty()) return processes;
  for (const ProcessId& process : proc.all().value_or(std::vector<ProcessId>{})) {
    auto one = process.pid == ::getpid() ? std::nullopt : introduce(process, proc);
    // Threads of the kernel have no command, and neither have those that have ended.
    if (one && !one->command.empty()) processes.push_back(*std::move(one));
  }
  return processes;
}

void count(std::vector<ListedProcess>& processes, const ProcFs& proc) {
  for (ListedProcess& process : processes) {
    const auto use = proc.nofile(process.id);
    if (!use) continue;
    process.nofile = *use;
    process.course.emplace_back(monotonic_now(), use->used);
  }
}

// How fast the number grows, and when the limit is met if it goes on so.
void foresee(ListedProcess& process) {
  const auto& course = process.course;
  if (course.size() > 1) {
    const double time = seconds(course.back().first - course.front().first);
    const auto rise =
        static_cast<double>(course.back().second) - static_cast<double>(course.front().second);
    if (time > 0) process.growth_per_second = rise / time;
  }
  if (!process.nofile || !process.nofile->max) return;
  const uint64_t used = process.nofile->used, most = *process.nofile->max;
  const auto slope = growing_slope(course);
  if (used >= most) {
    process.exhausted_in_seconds = 0;
  } else if (slope && *slope > 0) {
    process.exhausted_in_seconds = static_cast<double>(most - used) / *slope;
  }
}

void watch(const ListingSettings& settings, const std::atomic<int>& interrupts, const ProcFs& proc,
           Listing& listing) {
  const Instant end = listing.started + settings.window;
  Instant next = listing.started;
  while (interrupts.load() == 0) {
    const Instant now = monotonic_now();
    if (now >= end) break;
    if (now < next) {
      std::this_thread::sleep_for(std::min<Duration>({next - now, end - now, kLongestNap}));
      continue;
    }
    count(listing.processes, proc);
    next = now + std::max<Duration>(kBetweenCounts, settings.window / 40);
  }
}

// Those that ended meanwhile leave the list; a process that was asked for is told of.
void drop_ended(const ListingSettings& settings, const ProcFs& proc, Listing& listing) {
  std::erase_if(listing.processes, [&](const ListedProcess& one) {
    if (proc.alive(one.id)) return false;
    if (!settings.targets.empty()) listing.gone.push_back(one.id);
    return true;
  });
  if (!settings.targets.empty()) return;
  listing.unreadable = static_cast<uint64_t>(
      std::erase_if(listing.processes, [](const auto& one) { return !one.obstacle.empty(); }));
}

}  // namespace

Result<Listing> take_listing(const ListingSettings& settings, const std::atomic<int>& interrupts) {
  const ProcFs proc;
  Listing listing;
  auto rung = choose_rung(settings.rung, listing);
  if (!rung) return rung.error();
  listing.clock = WallClock::now();
  listing.started = listing.ended = listing.clock.monotonic;
  listing.processes = introduce_all(settings, proc, listing);
  if (settings.window > Duration::zero()) watch(settings, interrupts, proc, listing);
  count(listing.processes, proc);
  for (ListedProcess& process : listing.processes) foresee(process);
  if (settings.window > Duration::zero()) listing.ended = monotonic_now();
  (*rung)->read(listing, settings.names);
  drop_ended(settings, proc, listing);
  listing.open_files = proc.open_files();
  listing.port_range = proc.port_range();
  return listing;
}

}  // namespace unclosed
