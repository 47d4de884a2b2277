// What logs, profiles and counters together say: the five steps of a hunt for a leak, each with its
// evidence and what is still missing. Every number that a reader sees is here; reports only format.
// Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/finding.h"
#include "model/goroutine.h"
#include "model/trouble.h"

namespace unclosed {

// From what hurts to the line, in this order.
enum class HuntStage : uint8_t { kSymptom, kState, kGrowth, kHolders, kLine };
inline constexpr size_t kHuntStages = static_cast<size_t>(HuntStage::kLine) + 1;
std::string_view to_string(HuntStage stage);  // symptom, state, growth, holders, line

struct HuntStep {
  HuntStage stage = HuntStage::kSymptom;
  std::string says;                   // one sentence; what was not seen is said too
  std::vector<std::string> evidence;  // with their numbers
  std::vector<std::string> missing;   // what would tell more, with the command that gives it
};

// The pool that the hunt is about: the fullest of all that were told of.
struct PoolState {
  PoolSample now;                 // the last sample, with what the dump adds
  std::optional<PoolSample> was;  // the first of several
  bool exhausted = false;
  Diagnosis diagnosis = Diagnosis::kUnknown;
};

struct Explanation {
  std::vector<std::string> sources;
  uint64_t lines = 0;  // of logs
  std::optional<Death> died;
  uint64_t deaths = 0;
  std::vector<LogError> errors;  // the gravest kind first
  std::optional<PoolState> pool;
  std::vector<PoolSample> pools;  // the last sample of each
  Diagnosis diagnosis = Diagnosis::kUnknown;
  std::string diagnosis_reason;  // "" when there is nothing to diagnose
  std::vector<HuntStep> steps;   // all five, or none where nothing speaks of trouble
  std::vector<ReportedHold> holds;
  std::optional<GoroutineCapture> goroutines;
  std::optional<Blame> blame;
  std::string no_blame_reason;  // why blame is absent and what would name the line
  std::vector<std::string> notes;
};

}  // namespace unclosed
