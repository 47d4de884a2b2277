// The floors and factors behind "long", "far" and "many". Tests and drills scale them; the code is
// the same. Value type; any thread.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace unclosed {

struct Policy {
  Duration long_floor = std::chrono::seconds(30);  // least time that counts as "long"
  uint32_t many_floor = 5;      // least number of connections that counts as "many"
  uint32_t passing_dials = 3;   // dials that must have passed an idle connection over
  uint32_t rising_windows = 4;  // windows over which a floor must rise
  double far_factor = 20;       // × the siblings' p99 is "far beyond" them
  size_t most_listed = 100;     // connections listed of each group

  // Idle for this long at least before a connection counts as left alone.
  Duration settled_floor() const { return long_floor / 6; }
  // A rise is seen over this long at least: shorter, whatever a service opens at its start looks
  // like one.
  Duration rise_floor() const { return long_floor / 3; }
  // Nothing but a rise over this long is enough by itself.
  Duration long_rise_floor() const { return long_floor * 3 / 2; }
  // A dial that began sooner after a return may not have known of the returned connection.
  Duration dial_race() const { return long_floor / 300; }

  // The same policy for a course that runs `factor` times as fast (0.1: 3 s instead of 30 s).
  Policy scaled(double factor) const;
};

}  // namespace unclosed
