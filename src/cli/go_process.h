// unclosed go PID: the goroutines of a running Go process, its pools and requests, from its memory
// alone: nothing is stopped, no endpoint is needed.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/goroutine.h"
#include "symbolize/own_rules.h"

namespace unclosed {

// Which descriptors; none unless said otherwise.
struct WhoHolds {
  std::vector<int> descriptors;
  bool all = false;
  bool asked() const { return all || !descriptors.empty(); }
};

struct GoProcessSettings {
  std::string target;  // as attach takes it: a pid, a name, port:NUMBER, …
  OwnRules rules;
  // Time between two captures, to tell what grows; nullopt: one capture.
  std::optional<Duration> window;
  // Descriptors of which is asked who holds them.
  WhoHolds who_holds;
  const std::atomic<int>* interrupt = nullptr;  // ends the window early; may be null
};

// kDenied, kUnsupported: as GoProcess::open. Of a parent with its children the first that is a Go
// process is read.
Result<GoroutineCapture> capture_process(const GoProcessSettings& settings);

}  // namespace unclosed
