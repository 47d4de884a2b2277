#include "base/clock.h"

#include <ctime>
#include <limits>

namespace unclosed {
namespace {

int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Duration from_seconds(double s) {
  constexpr double kMost = 9.2e9;
  if (s > kMost) return Duration(std::numeric_limits<int64_t>::max());
  if (s < -kMost) return Duration(std::numeric_limits<int64_t>::min());
  return Duration(static_cast<int64_t>(s * 1e9));
}

Instant monotonic_now() { return {read_clock(CLOCK_MONOTONIC)}; }

WallClock WallClock::now() { return {monotonic_now(), read_clock(CLOCK_REALTIME)}; }

std::string WallClock::format(Instant at) const {
  const int64_t real = realtime_ns + (at.ns - monotonic.ns);
  const std::time_t whole = real / 1'000'000'000;
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace unclosed
