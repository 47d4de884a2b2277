#include "collect/bpf/ended_tables.h"

namespace unclosed {

void EndedTables::note(const uc_event_left& event, const ProcessId& process) {
  Left& entry = x_files[event.file];
  if (entry.generation != event.generation || entry.descriptors.front().process != process)
    entry = {event.generation, {}, {}};
  entry.at = {static_cast<int64_t>(event.at)};
  entry.descriptors.push_back({process, static_cast<int>(event.fd)});
}

const std::vector<Descriptor>* EndedTables::of(uint64_t file, uint64_t generation) const {
  const auto found = x_files.find(file);
  return found != x_files.end() && found->second.generation == generation
             ? &found->second.descriptors
             : nullptr;
}

void EndedTables::forget_before(Instant scan_began) {
  std::erase_if(x_files, [&](const auto& one) { return one.second.at < scan_began; });
}

}  // namespace unclosed
