// Names what was read of a live Go process's goroutines as the runtime's own dump (debug=2) shows
// them: the same frames, states and creators, and without the runtime's own goroutines. Each stack
// and each starting place is named once. One thread at a time.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/golang/go_process.h"
#include "collect/golang/goroutine_reader.h"
#include "model/stack.h"
#include "symbolize/symbolizer.h"

namespace unclosed {

class GoroutineNames {
 public:
  // All must outlive it.
  GoroutineNames(const GoProcess& process, const GoroutineList& list, ModuleStore& modules,
                 Symbolizer& symbolizer);

  // The frames that are shown, innermost first; empty for one that runs.
  const NamedStack& stack(const LiveGoroutine& goroutine) const;
  // The go statement; nullopt: it is the first, or one that the runtime started.
  const std::optional<NamedFrame>& created_by(const LiveGoroutine& goroutine);
  // "IO wait", "running", "syscall"; without marks.
  std::string state(const LiveGoroutine& goroutine) const;
  // Of the runtime itself: the collector's workers and the like.
  bool system(const LiveGoroutine& goroutine);

 private:
  const GoProcess& x_process;
  ModuleStore& x_modules;
  Symbolizer& x_symbolizer;
  std::vector<NamedStack> x_stacks;
  std::vector<bool> x_beyond_runtime;  // stacks in which other code runs
  std::unordered_map<uint64_t, std::optional<NamedFrame>> x_creators;
  std::unordered_map<uint64_t, std::string_view> x_starts;  // names of first functions
};

}  // namespace unclosed
