#include "cli/coverage_notes.h"

#include <fmt/format.h>

namespace unclosed {
namespace {

void note_probes(const BpfCoverage& seen, std::vector<std::string>& notes) {
  for (const HandoutProbe& probe : seen.probes) {
    if (probe.obstacle.empty()) continue;
    notes.push_back(fmt::format(
        "{}: {} ({})", probe.armed ? "not probed everywhere or all the time" : "not probed",
        probe.function, probe.obstacle));
  }
  if (seen.handouts_missed > 0) {
    notes.push_back(fmt::format("{} of {} calls of probed functions led to no socket",
                                seen.handouts_missed, seen.handouts));
  }
}

void note_full_tables(const BpfCoverage& seen, std::vector<std::string>& notes) {
  if (seen.unplaced > 0) {
    notes.push_back(
        fmt::format("the table of connections is full: {} are listed without their "
                    "history",
                    seen.unplaced));
  }
  if (seen.children_lost > 0) {
    notes.push_back(
        fmt::format("{} child processes are not followed: too many targets", seen.children_lost));
  }
  if (seen.failures_lost > 0) {
    notes.push_back(fmt::format("{} failed attempts are not counted: too many places of failure",
                                seen.failures_lost));
  }
  if (seen.stacks_lost > 0) {
    notes.push_back(fmt::format("{} stacks could not be taken", seen.stacks_lost));
  }
  if (seen.modules_without_tables > 0) {
    notes.push_back(
        fmt::format("{} libraries found no place in the unwinding tables: stacks end "
                    "there",
                    seen.modules_without_tables));
  }
}

}  // namespace

std::vector<std::string> coverage_notes(const BpfCoverage& seen) {
  std::vector<std::string> notes;
  note_full_tables(seen, notes);
  for (const std::string& hook : seen.missing_hooks) {
    notes.push_back(
        fmt::format("this kernel has no {}: what it opens is found without a stack", hook));
  }
  if (seen.direct_descriptors > 0) {
    notes.push_back(
        fmt::format("{} files are direct descriptors of io_uring, in no table: they "
                    "are not judged",
                    seen.direct_descriptors));
  }
  for (const ProcessId& process : seen.of_32_bits) {
    notes.push_back(
        fmt::format("process {} is a 32-bit program: its descriptors are found, how "
                    "they were opened and used is not seen",
                    process.pid));
  }
  note_probes(seen, notes);
  return notes;
}

bool is_incomplete(const BpfCoverage& seen) {
  return seen.events_lost > 0 || seen.unplaced > 0 || seen.children_lost > 0;
}

}  // namespace unclosed
