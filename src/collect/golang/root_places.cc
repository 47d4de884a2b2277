#include "collect/golang/root_places.h"

#include <algorithm>

#include "base/bytes.h"
#include "collect/golang/memory_scan.h"

namespace unclosed {
namespace {

constexpr uint32_t kOwnVariable = 0, kOwnStack = 6, kLibraryVariable = 5, kLibraryStack = 12,
                   kPerhapsUnused = 6, kRunning = 25, kTimers = 50, kOfTheRuntime = 60;
constexpr int kMostHops = 3;
constexpr uint64_t kLargestStatic = 1024;  // bytes of an object without a name
constexpr size_t kMostUsers = 64, kShownUsers = 3;
constexpr size_t kMostPointers = 8 << 20;  // between variables
constexpr uint64_t kMostCopy = 1 << 20;
constexpr std::string_view kRuntime = "runtime.";

bool is_of_runtime(std::string_view name) {
  return name.starts_with(kRuntime) || name.starts_with("internal/runtime/");
}

}  // namespace

// The variable whose value is the nearest address at or below this one; nullopt: none is near.
Result<std::optional<RootPlaces::Pointer>> RootPlaces::pointer_to(uint64_t address) {
  if (!x_pointers) {
    x_pointers.emplace();
    const auto& variables = x_process.variables();
    for (const AddressRange& range : {variables.data, variables.bss}) {
      const auto scanned =
          scan_words(x_process.memory(), range.start, range.end, 0,
                     [&](uint64_t at, std::span<const uint64_t> words) {
                       for (size_t i = 0; i < words.size(); ++i) {
                         if ((variables.data.holds(words[i]) || variables.bss.holds(words[i])) &&
                             x_pointers->size() < kMostPointers)
                           x_pointers->emplace_back(words[i], at + i * 8);
                       }
                     });
      if (!scanned) return scanned.error();
    }
    std::sort(x_pointers->begin(), x_pointers->end());
  }
  const auto after =
      std::upper_bound(x_pointers->begin(), x_pointers->end(), std::pair(address, UINT64_MAX));
  if (after == x_pointers->begin() || address - std::prev(after)->first > kLargestStatic)
    return std::optional<Pointer>();
  // Of several the first: a variable rather than a table of the linker behind it.
  const auto first = std::lower_bound(x_pointers->begin(), x_pointers->end(),
                                      std::pair(std::prev(after)->first, uint64_t{0}));
  return std::optional(*first);
}

Status RootPlaces::read_users() {
  if (x_users) return {};
  auto users = VariableUsers::read(x_process);
  if (!users) return users.error();
  x_users.emplace(std::move(*users));
  return {};
}

// By its symbol. An object that the linker laid out has none: the variable that points to it has.
Result<std::optional<GoVariable>> RootPlaces::named(uint64_t& address) {
  const bool stripped = !x_process.symbol("runtime.allgs");
  for (int hop = 0;; ++hop) {
    if (auto found = x_names.variable_at(x_process.to_file(address))) return found;
    if (hop == kMostHops) break;
    const auto pointer = pointer_to(address);
    if (!pointer) return pointer.error();
    if (!*pointer) break;
    // Without symbols the code must tell where variables begin.
    if (stripped) {
      const auto read = read_users();
      if (!read) return read.error();
      const auto variable = x_users->variable(address);
      if (variable && *variable >= (*pointer)->first) break;
    }
    address = (*pointer)->second;
  }
  return std::optional<GoVariable>();
}

// By its name, else by the functions that use it.
Result<const RootPlaces::Variable*> RootPlaces::variable(uint64_t word) {
  const auto known = x_variables.find(word);
  if (known != x_variables.end()) return &known->second;
  Variable variable;
  uint64_t address = word;
  auto symbol = named(address);
  if (!symbol) return symbol.error();
  if (*symbol) {
    variable.named = std::move(**symbol);
    if (is_of_runtime(variable.named.name)) variable.kind = HolderKind::kRuntime;
    return &x_variables.emplace(word, std::move(variable)).first->second;
  }
  const auto read = read_users();
  if (!read) return read.error();
  std::vector<std::string> others;
  bool runtime = true;
  for (const uint64_t pc : x_users->of(address, kMostUsers)) {
    const auto frames = x_names.frames_at(x_process.to_file(pc));
    if (frames.empty()) continue;
    const NamedFrame& frame = frames.back();
    runtime = runtime && is_of_runtime(frame.function);
    variable.named.own = variable.named.own || frame.own;
    auto& list = frame.own ? variable.used_by : others;
    if (list.size() < kShownUsers &&
        std::find(list.begin(), list.end(), frame.function) == list.end())
      list.push_back(frame.function);
  }
  if (variable.used_by.empty()) variable.used_by = others;
  if (runtime && !others.empty()) variable.kind = HolderKind::kRuntime;
  return &x_variables.emplace(word, std::move(variable)).first->second;
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
    // Timers are reached from the list of processors; what else leads there says less.
    if ((*known)->kind == HolderKind::kRuntime)
      return (*known)->named.name == "runtime.allp" ? kTimers : kOfTheRuntime;
    return (*known)->named.own ? kOwnVariable : kLibraryVariable;
  }
  const LiveGoroutine& goroutine = x_list.goroutines[place.goroutine];
  if (goroutine.stack == kNoGoroutineStack) return kRunning;
  const uint32_t cost = own_stack(goroutine.stack) ? kOwnStack : kLibraryStack;
  // What a call left behind leads there on a shorter way than what the function still has in use;
  // most of it lies in the frames of libraries.
  if (use(place) == Use::kUsed) return cost;
  return cost + (in_own_frame(place) ? kPerhapsUnused : 2 * kPerhapsUnused);
}

Result<RootRank> RootPlaces::rank(const RootPlace& place) {
  // In the upper bits of what a root keeps.
  enum Keeper : uint64_t { kOwn, kMain, kSingle, kPerhaps, kOfLibrary, kSingleOfLibrary, kMany };
  const auto keeps = [](Keeper keeper, uint64_t then) { return uint64_t{keeper} << 56 | then; };
  RootRank rank;
  if (place.kind == RootPlace::Kind::kVariable) {
    const auto known = variable(place.word);
    if (!known) return known.error();
    rank.age = place.word;
    if ((*known)->kind != HolderKind::kRuntime)
      rank.keeps = keeps((*known)->named.own ? kOwn : kOfLibrary, 0);
    return rank;
  }
  const LiveGoroutine& goroutine = x_list.goroutines[place.goroutine];
  const GoroutineKinds::Kind& kind = x_kinds.of(goroutine);
  constexpr uint64_t kHalf = (uint64_t{1} << 28) - 1;
  rank.age = goroutine.id;
  if (kind.count > 1) rank.kind = kind.index;
  if (goroutine.stack == kNoGoroutineStack) return rank;
  // What lies on a stack itself is in use as long as something points there.
  const bool used = use(place) == Use::kUsed;
  if (!used && (kind.count > 1 || !in_own_frame(place))) return rank;
  if (kind.count > 1)
    // Fewer are rather those that began the others.
    rank.keeps = keeps(kMany, std::min<uint64_t>(kind.count, kHalf) << 28 | (kind.oldest & kHalf));
  else if (goroutine.id == 1)
    rank.keeps = keeps(kMain, 0);
  else
    rank.keeps = keeps(!own_stack(goroutine.stack) ? kSingleOfLibrary : used ? kSingle : kPerhaps,
                       goroutine.id & (kHalf << 28 | kHalf));
  return rank;
}

bool RootPlaces::in_own_frame(const RootPlace& place) {
  const Stack& stack = stack_of(place.goroutine);
  const size_t frame = frame_of(stack, place.word);
  if (frame >= stack.pcs.size()) return false;
  const auto frames = x_names.frames_at(x_process.to_file(stack.pcs[frame]));
  return std::any_of(frames.begin(), frames.end(), [](const auto& one) { return one.own; });
}

Result<bool> RootPlaces::of_runtime(const RootPlace& place) {
  if (place.kind != RootPlace::Kind::kVariable) return false;
  const auto known = variable(place.word);
  if (!known) return known.error();
  return (*known)->kind == HolderKind::kRuntime;
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

const RootPlaces::Stack& RootPlaces::stack_of(uint32_t index) {
  if (x_stack.goroutine == index) return x_stack;
  const LiveGoroutine& goroutine = x_list.goroutines[index];
  x_stack = {index, goroutine.sp, {}, {}, {}};
  if (goroutine.stack == kNoGoroutineStack) return x_stack;
  std::vector<std::byte> copy(std::min(goroutine.stack_high - goroutine.sp, kMostCopy));
  const auto got = x_process.memory().read(goroutine.sp, copy);
  if (!got || !*got) return x_stack;
  x_walk.walk(goroutine.pc, goroutine.sp, copy, x_stack.pcs, x_stack.slots);
  for (uint64_t at = 0; at + 8 <= copy.size(); at += 8) {
    const uint64_t value = load<uint64_t>(Bytes(copy), at).value_or(0);
    if (value >= goroutine.sp && value < goroutine.stack_high)
      x_stack.inner.emplace_back(value, goroutine.sp + at);
  }
  std::sort(x_stack.inner.begin(), x_stack.inner.end());
  // Addresses to return to lie behind their calls; so does where it was parked.
  for (uint64_t& pc : x_stack.pcs) {
    if (pc != goroutine.start_pc) --pc;
  }
  return x_stack;
}

const std::optional<GoFrameMap>& RootPlaces::map_at(uint64_t pc) {
  const auto known = x_maps.find(pc);
  if (known != x_maps.end()) return known->second;
  return x_maps.emplace(pc, x_names.frame_map(x_process.to_file(pc))).first->second;
}

// The frame that a word belongs to: arguments lie in the caller's, and are the called one's.
size_t RootPlaces::frame_of(const Stack& stack, uint64_t word) {
  size_t frame = 0;
  while (frame < stack.slots.size() && word >= stack.sp + stack.slots[frame]) ++frame;
  if (frame == 0 || frame > stack.slots.size()) return frame;
  const auto& called = map_at(stack.pcs[frame - 1]);
  const uint64_t argument = (word - stack.sp - stack.slots[frame - 1] - 8) / 8;
  const bool is = called && argument < called->arguments.size() && called->arguments[argument];
  return is ? frame - 1 : frame;
}

// An object whose address was taken lives while something on the stack points to it: the compiler's
// map has it only while its function names it itself.
RootPlaces::Use RootPlaces::use_in_object(const Stack& stack, uint64_t start, uint64_t size) {
  auto pointer =
      std::lower_bound(stack.inner.begin(), stack.inner.end(), std::pair(start, uint64_t{0}));
  for (; pointer != stack.inner.end() && pointer->first - start < size; ++pointer) {
    if (pointer->second < start || pointer->second - start >= size) return Use::kMaybe;
  }
  return Use::kUnused;
}

// Whether it is a live variable of the frame, or an argument of the call out of it.
RootPlaces::Use RootPlaces::use_in_frame(const Stack& stack, size_t frame, uint64_t word) {
  const auto& map = map_at(stack.pcs[frame]);
  if (!map) return Use::kMaybe;
  const uint64_t begin = stack.sp + (frame == 0 ? 0 : stack.slots[frame - 1] + 8);
  const uint64_t slot = stack.sp + stack.slots[frame];
  // Below the return address a frame keeps its caller's frame pointer, if it has any size.
  const uint64_t end = slot > begin ? slot - 8 : slot;
  const uint64_t first = end - map->locals.size() * 8;
  if (word >= first && word < end && map->locals[(word - first) / 8]) return Use::kUsed;
  const auto start_of = [](const GoFrameMap::Object& object, uint64_t base) {
    return base + static_cast<uint64_t>(int64_t{object.offset});
  };
  const auto in_object = [&](const GoFrameMap::Object& object, uint64_t base) {
    const uint64_t start = start_of(object, base);
    return word >= start && word - start < static_cast<uint64_t>(object.size);
  };
  for (const auto& object : map->objects)
    if (object.offset < 0 && in_object(object, end))
      return use_in_object(stack, start_of(object, end), static_cast<uint64_t>(object.size));
  if (frame == 0) return Use::kUnused;
  const auto& called = map_at(stack.pcs[frame - 1]);
  // Assembly, above all that which stops a goroutine anywhere, says nothing of its caller either.
  if (!called) return Use::kMaybe;
  const uint64_t argument = (word - begin) / 8;
  if (argument < called->arguments.size() && called->arguments[argument]) return Use::kUsed;
  for (const auto& object : called->objects)
    if (object.offset >= 0 && in_object(object, begin))
      return use_in_object(stack, start_of(object, begin), static_cast<uint64_t>(object.size));
  return Use::kUnused;
}

RootPlaces::Use RootPlaces::use(const RootPlace& place) {
  if (place.kind != RootPlace::Kind::kStack) return Use::kUsed;
  const Stack& stack = stack_of(place.goroutine);
  for (size_t i = 0; i < stack.pcs.size() && i < stack.slots.size(); ++i) {
    if (place.word < stack.sp + stack.slots[i]) return use_in_frame(stack, i, place.word);
  }
  return Use::kMaybe;
}

// The frame that the word lies in, and the user's own code around it.
void RootPlaces::place_on_stack(uint32_t goroutine, uint64_t word, Holder& holder) {
  const Stack& stack = stack_of(goroutine);
  const size_t frame = frame_of(stack, word);
  for (size_t i = 0; i < stack.pcs.size() && !(holder.frame && holder.own_frame); ++i) {
    const auto frames = x_names.frames_at(x_process.to_file(stack.pcs[i]));
    const auto own =
        std::find_if(frames.begin(), frames.end(), [](const auto& one) { return one.own; });
    // The poller's frames under a read are of no interest.
    const bool of_program = std::any_of(frames.begin(), frames.end(), [](const auto& one) {
      return !is_of_runtime(one.function) && !one.function.starts_with("internal/poll.");
    });
    if (!holder.frame && i >= frame && of_program)
      holder.frame = own != frames.end() ? *own : frames.front();
    if (!holder.own_frame && own != frames.end()) holder.own_frame = *own;
  }
  if (holder.frame && holder.frame->own) holder.own_frame.reset();
}

std::string RootPlaces::closure(uint64_t code) {
  if (!x_process.text().holds(code)) return {};
  const auto frames = x_names.frames_at(x_process.to_file(code));
  return frames.empty() ? std::string() : "closure " + frames.back().function;
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
  if (use(place) == Use::kUsed) holder.certainty = HolderCertainty::kCertain;
  holder.own = goroutine.stack != kNoGoroutineStack && own_stack(goroutine.stack);
  place_on_stack(place.goroutine, holder.deferred ? goroutine.sp : place.word, holder);
  return holder;
}

}  // namespace unclosed
