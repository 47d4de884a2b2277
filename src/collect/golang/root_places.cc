#include "collect/golang/root_places.h"

#include <algorithm>

#include "base/bytes.h"

namespace unclosed {
namespace {

constexpr uint32_t kOwnVariable = 0, kOwnStack = 1, kLibraryVariable = 5, kLibraryStack = 8,
                   kRunning = 20, kOfTheRuntime = 60;
constexpr size_t kMostUsers = 64, kShownUsers = 3;
constexpr uint64_t kMostCopy = 1 << 20;
constexpr std::string_view kRuntime = "runtime.";

bool of_runtime(std::string_view name) {
  return name.starts_with(kRuntime) || name.starts_with("internal/runtime/");
}

}  // namespace

// By its symbol; else by the functions that use it.
Result<const RootPlaces::Variable*> RootPlaces::variable(uint64_t address) {
  const auto known = x_variables.find(address);
  if (known != x_variables.end()) return &known->second;
  Variable variable;
  if (auto named = x_names.variable_at(x_process.to_file(address))) {
    variable.named = std::move(*named);
    if (of_runtime(variable.named.name)) variable.kind = HolderKind::kRuntime;
    return &x_variables.emplace(address, std::move(variable)).first->second;
  }
  if (!x_users) {
    auto users = VariableUsers::read(x_process);
    if (!users) return users.error();
    x_users.emplace(std::move(*users));
  }
  std::vector<std::string> others;
  bool runtime = true;
  for (const uint64_t pc : x_users->of(address, kMostUsers)) {
    const auto frames = x_names.frames_at(x_process.to_file(pc));
    if (frames.empty()) continue;
    const NamedFrame& frame = frames.back();
    runtime = runtime && of_runtime(frame.function);
    variable.named.own = variable.named.own || frame.own;
    auto& list = frame.own ? variable.used_by : others;
    if (list.size() < kShownUsers && std::find(list.begin(), list.end(), frame.function) == list.end())
      list.push_back(frame.function);
  }
  if (variable.used_by.empty()) variable.used_by = others;
  if (runtime && !others.empty()) variable.kind = HolderKind::kRuntime;
  return &x_variables.emplace(address, std::move(variable)).first->second;
}

bool RootPlaces::own_stack(uint32_t stack) {
  if (stack >= x_list.stacks.size()) return false;
  x_own_stacks.resize(x_list.stacks.size());
  if (!x_own_stacks[stack]) {
    bool own = false;
    const auto& frames = x_list.stacks[stack].frames;
    for (size_t i = 0; i < frames.size() && !own; ++i) {
      const uint64_t back = i == 0 ? 0 : 1;
      for (const NamedFrame& frame : x_names.frames_at({frames[i].address.value - back}))
        own = own || frame.own;
    }
    x_own_stacks[stack] = own;
  }
  return *x_own_stacks[stack];
}

Result<uint32_t> RootPlaces::cost(const RootPlace& place) {
  if (place.kind == RootPlace::Kind::kVariable) {
    const auto known = variable(place.word);
    if (!known) return known.error();
    if ((*known)->kind == HolderKind::kRuntime) return kOfTheRuntime;
    return (*known)->named.own ? kOwnVariable : kLibraryVariable;
  }
  const LiveGoroutine& goroutine = x_list.goroutines[place.goroutine];
  if (goroutine.stack == kNoGoroutineStack) return kRunning;
  return own_stack(goroutine.stack) ? kOwnStack : kLibraryStack;
}

Result<bool> RootPlaces::still(const RootPlace& place) {
  if (place.kind == RootPlace::Kind::kVariable) return true;
  const LiveGoroutine& goroutine = x_list.goroutines[place.goroutine];
  const GoRuntimeLayout& layout = x_process.layout();
  std::vector<std::byte> g(layout.g_size);
  const auto got = x_process.memory().read(goroutine.address, g);
  if (!got) return got.error();
  if (!*got || load<uint64_t>(Bytes(g), layout.g_id) != goroutine.id ||
      load<uint64_t>(Bytes(g), 0) != goroutine.stack_low)
    return false;
  if (place.kind == RootPlace::Kind::kDeferred || goroutine.stack == kNoGoroutineStack) return true;
  const bool syscall = goroutine.status == GoroutineStatus::kSyscall;
  const auto sp =
      load<uint64_t>(Bytes(g), syscall ? layout.g_syscall_sp : layout.g_sched_sp).value_or(0);
  // Parked deeper than before, the word is still in use.
  return sp != 0 && sp <= place.word && sp >= goroutine.stack_low;
}

// The frame that the word lies in, and the user's own code around it.
void RootPlaces::place_on_stack(const LiveGoroutine& goroutine, uint64_t word, Holder& holder) {
  if (goroutine.stack == kNoGoroutineStack) return;
  std::vector<std::byte> copy(std::min(goroutine.stack_high - goroutine.sp, kMostCopy));
  const auto got = x_process.memory().read(goroutine.sp, copy);
  if (!got || !*got) return;
  std::vector<uint64_t> pcs;
  std::vector<uint32_t> slots;
  x_walk.walk(goroutine.pc, goroutine.sp, copy, pcs, slots);
  for (size_t i = 0; i < pcs.size() && !(holder.frame && holder.own_frame); ++i) {
    const uint64_t back = i == 0 ? 0 : 1;
    const auto frames = x_names.frames_at(x_process.to_file(pcs[i] - back));
    const auto own =
        std::find_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.own; });
    const bool inside = word < goroutine.sp + (i < slots.size() ? slots[i] : UINT32_MAX);
    const bool of_program =
        std::any_of(frames.begin(), frames.end(),
                    [](const auto& frame) { return !of_runtime(frame.function); });
    // The poller's frames under a read are of no interest.
    if (!holder.frame && inside && of_program)
      holder.frame = own != frames.end() ? *own : frames.front();
    if (!holder.own_frame && own != frames.end()) holder.own_frame = *own;
  }
  if (holder.frame && holder.frame->own) holder.own_frame.reset();
}

Holder RootPlaces::holder(const RootPlace& place) {
  Holder holder;
  if (place.kind == RootPlace::Kind::kVariable) {
    holder.certainty = HolderCertainty::kCertain;
    const auto known = variable(place.word);
    if (!known) return holder;
    holder.kind = (*known)->kind;
    holder.name = (*known)->named.name;
    holder.type = (*known)->named.type;
    holder.own = (*known)->named.own;
    holder.used_by = (*known)->used_by;
    return holder;
  }
  const LiveGoroutine& goroutine = x_list.goroutines[place.goroutine];
  holder.kind = HolderKind::kGoroutine;
  holder.goroutine = goroutine.id;
  holder.deferred = place.kind == RootPlace::Kind::kDeferred;
  if (holder.deferred) holder.certainty = HolderCertainty::kCertain;
  holder.own = goroutine.stack != kNoGoroutineStack && own_stack(goroutine.stack);
  place_on_stack(goroutine, holder.deferred ? goroutine.sp : place.word, holder);
  return holder;
}

}  // namespace unclosed
