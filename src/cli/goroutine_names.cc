#include "cli/goroutine_names.h"

#include <algorithm>
#include <array>

namespace unclosed {
namespace {

constexpr std::string_view kRuntime = "runtime.";

bool upper(char c) { return c >= 'A' && c <= 'Z'; }

// A function or method that programs can call: both its name and its receiver's are exported.
bool exported(std::string_view name) {
  name.remove_prefix(kRuntime.size());
  const size_t dot = name.rfind('.');
  std::string_view receiver = dot == std::string_view::npos ? "" : name.substr(0, dot);
  if (dot != std::string_view::npos) name.remove_prefix(dot + 1);
  if (receiver.size() >= 3 && receiver.starts_with("(*") && receiver.back() == ')')
    receiver = receiver.substr(2, receiver.size() - 3);
  return !name.empty() && upper(name.front()) && (receiver.empty() || upper(receiver.front()));
}

// Whether the runtime shows a frame: not its own insides.
bool shown(std::string_view function, bool first) {
  if (function == "runtime.gopanic") return !first;
  if (function == "runtime.runFinalizers" || function == "runtime.runCleanups") return true;
  if (function.find('.') == std::string_view::npos) return false;
  return !function.starts_with(kRuntime) || exported(function);
}

}  // namespace

GoroutineNames::GoroutineNames(const GoProcess& process, const GoroutineList& list,
                               ModuleStore& modules, Symbolizer& symbolizer)
    : x_process(process), x_modules(modules), x_symbolizer(symbolizer) {
  for (const RawStack& raw : list.stacks) {
    NamedStack named = x_symbolizer.name(raw);
    x_beyond_runtime.push_back(
        std::any_of(named.frames.begin(), named.frames.end(),
                    [](const NamedFrame& frame) { return !frame.function.starts_with(kRuntime); }));
    std::vector<NamedFrame> frames;
    for (NamedFrame& frame : named.frames) {
      const bool first = &frame == &named.frames.front();
      if (shown(frame.function, first)) frames.push_back(std::move(frame));
    }
    named.frames = std::move(frames);
    x_stacks.push_back(std::move(named));
  }
}

const NamedStack& GoroutineNames::stack(const LiveGoroutine& goroutine) const {
  static const NamedStack kNone{{}, Truncation::kUnreadable, {}};
  return goroutine.stack < x_stacks.size() ? x_stacks[goroutine.stack] : kNone;
}

const std::optional<NamedFrame>& GoroutineNames::created_by(const LiveGoroutine& goroutine) {
  static const std::optional<NamedFrame> kNobody;
  if (goroutine.id == 1 || goroutine.go_pc == 0) return kNobody;
  const auto known = x_creators.find(goroutine.go_pc);
  if (known != x_creators.end()) return known->second;
  const auto frames =
      x_symbolizer.name_address(x_process.module(), x_process.to_file(goroutine.go_pc - 1));
  std::optional<NamedFrame> creator;
  if (!frames.empty() && shown(frames.front().function, false)) creator = frames.front();
  return x_creators.emplace(goroutine.go_pc, std::move(creator)).first->second;
}

std::string GoroutineNames::state(const LiveGoroutine& goroutine) const {
  if (goroutine.status == GoroutineStatus::kWaiting) {
    const std::string_view reason = x_process.wait_reason(goroutine.wait_reason);
    if (!reason.empty()) return std::string(reason);
  }
  return std::string(to_string(goroutine.status));
}

bool GoroutineNames::system(const LiveGoroutine& goroutine) {
  auto known = x_starts.find(goroutine.start_pc);
  if (known == x_starts.end()) {
    const Module* module = x_modules.find(x_process.module());
    const auto name = module != nullptr && module->go
                          ? module->go->function_at(x_process.to_file(goroutine.start_pc).value)
                          : std::nullopt;
    known = x_starts.emplace(goroutine.start_pc, name.value_or("")).first;
  }
  const std::string_view start = known->second;
  // Those that run the program's own code.
  constexpr std::array<std::string_view, 3> kOfTheProgram = {"runtime.main", "runtime.corostart",
                                                             "runtime.handleAsyncEvent"};
  if (!start.starts_with(kRuntime) ||
      std::find(kOfTheProgram.begin(), kOfTheProgram.end(), start) != kOfTheProgram.end())
    return false;
  constexpr std::array<std::string_view, 3> kCallsBack = {
      "runtime.runfinq", "runtime.runFinalizers", "runtime.runCleanups"};
  const bool calls_back =
      std::find(kCallsBack.begin(), kCallsBack.end(), start) != kCallsBack.end();
  return !calls_back || goroutine.stack >= x_beyond_runtime.size() ||
         !x_beyond_runtime[goroutine.stack];
}

}  // namespace unclosed
