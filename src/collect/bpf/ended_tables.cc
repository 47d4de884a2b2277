#include "collect/bpf/ended_tables.h"

namespace unclosed {

void EndedTables::note(const uc_event_left& event, const ProcessId& process) {
  Left& entry = x_files[event.file];
  if (entry.generation != event.generation) entry = {event.generation, {}, {}};
  entry.at = {static_cast<int64_t>(event.at)};
  auto& all = entry.processes;
  if (all.empty() || all.back().front().process != process) all.emplace_back();
  all.back().push_back({process, static_cast<int>(event.fd)});
}

const std::vector<Descriptor>* EndedTables::of(uint64_t file, uint64_t generation,
                                               uint32_t opener) const {
  const auto found = x_files.find(file);
  if (found == x_files.end() || found->second.generation != generation) return nullptr;
  for (const auto& held : found->second.processes) {
    if (held.front().process.pid == static_cast<pid_t>(opener)) return &held;
  }
  return &found->second.processes.back();
}

void EndedTables::forget_before(Instant scan_began) {
  std::erase_if(x_files, [&](const auto& one) { return one.second.at < scan_began; });
}

}  // namespace unclosed
