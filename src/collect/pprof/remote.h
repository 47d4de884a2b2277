// Two captures of a running service by net/http/pprof, some time apart: goroutines and heap at the
// same moment, or the one profile that was named. A dump with states (debug=2) stops the service
// while it is made: 100,000 goroutines for over two seconds. So it is asked for only where there
// are few, else the profile of counts (debug=0), and a note says what that leaves out. One thread
// at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "collect/pprof/captured.h"
#include "collect/pprof/http.h"

namespace unclosed {

// Dumps with states: where there are few goroutines, or always.
enum class StatesWanted : uint8_t { kWhereCheap, kAlways };

struct RemoteSettings {
  static constexpr uint64_t kFewGoroutines = 10'000;
  Duration between = std::chrono::seconds(10);
  StatesWanted states = StatesWanted::kWhereCheap;
  HttpSettings http;
  std::function<void(const std::string&)> progress;  // what happens now; may be empty
};

// UC-E021: nobody answers; UC-E022: no profiles there; UC-E023: a login is wanted. Interrupted
// between the two, it gives the first alone.
Result<GoroutineCapture> capture_remote(const PprofAddress& address,
                                        const RemoteSettings& settings);

// How many goroutines the page at /debug/pprof/ counts, and whether it offers a profile.
std::optional<uint64_t> count_on_index(std::string_view page, std::string_view profile);

}  // namespace unclosed
