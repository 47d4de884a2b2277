// Instants and spans. An Instant counts nanoseconds of CLOCK_MONOTONIC, the clock that
// bpf_ktime_get_ns() reads, so that kernel records and ours compare; it says nothing about the wall
// clock (WallClock converts for showing).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace unclosed {

using Duration = std::chrono::nanoseconds;

struct Instant {
  int64_t ns = 0;
  auto operator<=>(const Instant&) const = default;
  friend Duration operator-(Instant a, Instant b) { return Duration(a.ns - b.ns); }
  friend Instant operator+(Instant a, Duration d) { return {a.ns + d.count()}; }
  friend Instant operator-(Instant a, Duration d) { return {a.ns - d.count()}; }
};

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
// `s` seconds; saturates at about 292 years.
Duration from_seconds(double s);

Instant monotonic_now();

// The pairing of CLOCK_MONOTONIC and CLOCK_REALTIME at one moment: a later step of the wall clock
// does not move it.
struct WallClock {
  Instant monotonic;
  int64_t realtime_ns = 0;
  static WallClock now();
  // RFC 3339 in UTC with whole seconds, e.g. 2026-11-21T10:00:00Z.
  std::string format(Instant at) const;
};

}  // namespace unclosed
