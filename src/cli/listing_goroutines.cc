#include "cli/listing_goroutines.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/goroutine_names.h"
#include "cli/parked.h"
#include "collect/golang/go_process.h"
#include "collect/procfs/procfs.h"
#include "symbolize/module_store.h"
#include "symbolize/runtime_of.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

Result<std::vector<ParkedDescriptor>> read_parked(const ProcessId& id, ModuleStore& modules) {
  Symbolizer symbolizer(modules, OwnRules{});
  auto process = GoProcess::open(id, modules);
  if (!process) return process.error();
  const auto list = read_goroutines(*process);
  if (!list) return list.error();
  const GoroutineNames names(*process, *list, modules, symbolizer);
  auto parked = parked_descriptors(*process, *list, names);
  if (!parked) return parked;
  const auto still = process->still_there();
  if (!still) return still.error();
  return parked;
}

}  // namespace

void add_goroutines(Listing& listing) {
  if (listing.processes.size() != 1) return;
  ListedProcess& process = listing.processes.front();
  const ProcFs proc;
  ModuleStore modules;
  const auto info = proc.info(process.id);
  const auto mappings = proc.mappings(process.id);
  if (!info || !mappings) return;
  const std::string runtime = runtime_of(process.id, info->exe, *mappings, modules);
  if (!runtime.starts_with("go")) return;
  auto parked = read_parked(process.id, modules);
  if (parked) {
    process.parked = std::move(*parked);
  } else {
    listing.notes.push_back(
        fmt::format("its goroutines were not read: {}", parked.error().context));
  }
}

}  // namespace unclosed
