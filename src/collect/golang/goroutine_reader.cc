#include "collect/golang/goroutine_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "collect/golang/find_goroutines.h"
#include "collect/golang/memory_scan.h"
#include "collect/golang/stack_walk.h"

namespace unclosed {
namespace {

constexpr size_t kBatch = 1024;           // goroutines that are read together
constexpr uint64_t kUsualCopy = 8 << 10;  // bytes of a stack that are read at first
constexpr uint64_t kDeepCopy = 2 << 20;   // and of one that needs more
constexpr uint64_t kStackGap = 4 << 10;   // and between their stacks
constexpr uint64_t kMostPiece = 1 << 20;
constexpr uint64_t kGap = 512;      // between goroutines that are read as one piece
constexpr size_t kSmallBatch = 32;  // of those that moved: less time to move again
constexpr int kAttempts = 3;

// What is read of one goroutine, and whether it may be believed.
struct Look {
  LiveGoroutine live;
  uint32_t status_word = 0;
  size_t raw = 0;                  // where its g is in the buffer of goroutines
  size_t copy = 0, copy_size = 0;  // and its stack in the buffer of stacks
  size_t pcs = 0, pc_count = 0;    // in the lists of what was walked
  size_t slots = 0, slot_count = 0;
  StackWalk::End end = StackWalk::End::kTorn;
  bool readable = false, has_stack = false;
  bool compared = false;  // with a second reading of the stack
};

class Reader {
 public:
  explicit Reader(GoProcess& process)
      : x_process(process), x_layout(process.layout()), x_walk(process) {}
  Result<GoroutineList> read();

 private:
  Result<std::vector<uint64_t>> addresses();
  Status batch(std::span<const uint64_t> goroutines);
  Status read_structures(std::span<const uint64_t> goroutines, std::vector<std::byte>& into);
  Look look_at(uint64_t address, size_t raw) const;
  Status read_copies(std::vector<std::byte>& into);
  Status read_stacks();
  Status walk_stacks();
  Status walk_deep(Look& look);
  Status read_stacks_again();
  bool same(const Look& look) const;
  bool same_slots(const Look& look, std::span<const std::byte> copy) const;
  void keep(const Look& look);
  uint32_t stack_of(const Look& look);

  GoProcess& x_process;
  const GoRuntimeLayout& x_layout;
  StackWalk x_walk;
  GoroutineList x_list;
  std::unordered_multimap<uint64_t, uint32_t> x_stacks;  // by hash
  std::vector<uint64_t> x_moved;                         // to be read again
  bool x_last = false;                                   // no further attempt follows

  // Of the current batch.
  std::vector<Look> x_looks;
  std::vector<RemoteMemory::Piece> x_pieces;
  std::vector<size_t> x_order;
  std::vector<std::byte> x_first, x_second, x_stack, x_stack_again, x_deep;
  std::vector<uint64_t> x_pcs;
  std::vector<uint32_t> x_slots;
};

// The list grows while it is read, and then lies elsewhere: until it stays where it is.
Result<std::vector<uint64_t>> Reader::addresses() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto slice = x_process.memory().load<GoSlice>(x_process.all_goroutines());
    if (!slice) return slice.error();
    if (!*slice || (*slice)->length > kMostGoroutines) break;
    auto all = read_words(x_process.memory(), (*slice)->data, (*slice)->length);
    if (!all) return all.error();
    const auto again = x_process.memory().load<GoSlice>(x_process.all_goroutines());
    if (!again) return again.error();
    if (*all && *again && (*again)->data == (*slice)->data) return std::move(**all);
  }
  return Error{
      ErrorKind::kUnsupported,
      fmt::format("the list of goroutines of process {} cannot be read", x_process.process().pid),
      "UC-E031"};
}

// Neighbours are read as one piece: the runtime allocates goroutines side by side.
Status Reader::read_structures(std::span<const uint64_t> goroutines, std::vector<std::byte>& into) {
  x_pieces.clear();
  x_order.clear();
  size_t used = 0;
  std::vector<std::pair<size_t, size_t>> spans;  // of each piece: place and size in the buffer
  std::vector<uint64_t> starts;
  for (const uint64_t address : goroutines) {
    const uint64_t end = address + x_layout.g_size;
    if (!starts.empty() && address - starts.back() < spans.back().second + kGap) {
      used += end - starts.back() - spans.back().second;
      spans.back().second = end - starts.back();
    } else {
      starts.push_back(address);
      spans.emplace_back(used, x_layout.g_size);
      used += x_layout.g_size;
    }
    x_order.push_back(spans.back().first + (address - starts.back()));
  }
  if (into.size() < used) into.resize(used);
  for (size_t i = 0; i < starts.size(); ++i)
    x_pieces.push_back({starts[i], std::span(into).subspan(spans[i].first, spans[i].second)});
  const auto read = x_process.memory().read(x_pieces);
  if (!read) return read;
  // What cannot be read reads as dead.
  for (const auto& piece : x_pieces)
    if (!piece.got) std::fill(piece.into.begin(), piece.into.end(), std::byte{0});
  return {};
}

Look Reader::look_at(uint64_t address, size_t raw) const {
  Look look;
  look.raw = raw;
  const Bytes g = Bytes(x_first).subspan(raw, x_layout.g_size);
  const auto word = [&](uint32_t offset) { return load<uint64_t>(g, offset).value_or(0); };
  LiveGoroutine& live = look.live;
  look.status_word = load<uint32_t>(g, x_layout.g_status).value_or(0);
  const auto status = goroutine_status(look.status_word);
  look.readable = status.has_value() && *status != GoroutineStatus::kCopying &&
                  (look.status_word & kScanned) == 0;
  live.status = status.value_or(GoroutineStatus::kCopying);
  live.leaked = (look.status_word & ~kScanned) == kLeakedWord;
  live.address = address;
  live.id = word(x_layout.g_id);
  live.parent = x_layout.g_parent != 0 ? word(x_layout.g_parent) : 0;
  live.wait_reason = load<uint8_t>(g, x_layout.g_wait_reason).value_or(0);
  live.locked = word(x_layout.g_locked_m) != 0;
  const bool waits =
      live.status == GoroutineStatus::kWaiting || live.status == GoroutineStatus::kSyscall;
  live.waiting_since = waits ? static_cast<int64_t>(word(x_layout.g_wait_since)) : 0;
  live.go_pc = word(x_layout.g_go_pc);
  live.start_pc = word(x_layout.g_start_pc);
  live.thread = word(x_layout.g_m);
  live.stack_low = word(0);
  live.stack_high = word(8);
  live.sp = word(x_layout.g_sched_sp);
  live.pc = word(x_layout.g_sched_pc);
  bool parked = waits || live.status == GoroutineStatus::kRunnable ||
                live.status == GoroutineStatus::kPreempted;
  if (live.status == GoroutineStatus::kSyscall) {
    live.sp = word(x_layout.g_syscall_sp);
    live.pc = word(x_layout.g_syscall_pc);
    parked = live.sp != 0;
  }
  look.has_stack = parked;
  if (parked && (live.sp < live.stack_low || live.sp >= live.stack_high || live.sp % 8 != 0 ||
                 live.stack_high - live.stack_low > kMostStack))
    look.readable = false;
  return look;
}

// Reads `copy_size` bytes of each stack and says where they are. Stacks that lie close together,
// as the runtime allocates them, are read as one piece: one page costs more than what is on it.
Status Reader::read_copies(std::vector<std::byte>& into) {
  x_pieces.clear();
  x_order.clear();  // the piece of each look
  size_t used = 0;
  uint64_t start = 0, end = 0;
  std::vector<std::pair<size_t, uint64_t>> places;  // of each piece: in the buffer, in the process
  for (Look& look : x_looks) {
    x_order.push_back(places.size());
    if (look.copy_size == 0) continue;
    const uint64_t sp = look.live.sp;
    if (places.empty() || sp < start || sp > end + kStackGap || sp - start > kMostPiece) {
      used += end - start;
      start = end = sp;
      places.emplace_back(used, start);
      x_order.back() = places.size();
    }
    end = std::max(end, sp + look.copy_size);
    look.copy = used + (sp - start);
  }
  used += end - start;
  if (into.size() < used) into.resize(used);
  for (size_t i = 0; i < places.size(); ++i) {
    const size_t until = i + 1 < places.size() ? places[i + 1].first : used;
    x_pieces.push_back(
        {places[i].second, std::span(into).subspan(places[i].first, until - places[i].first)});
  }
  const auto read = x_process.memory().read(x_pieces);
  if (!read) return read;
  for (size_t i = 0; i < x_looks.size(); ++i) {
    Look& look = x_looks[i];
    if (look.copy_size == 0 || x_pieces[x_order[i] - 1].got) continue;
    const auto alone =
        x_process.memory().read(look.live.sp, std::span(into).subspan(look.copy, look.copy_size));
    if (!alone) return alone.error();
    if (!*alone) look.readable = false;
  }
  return {};
}

Status Reader::read_stacks() {
  for (Look& look : x_looks) {
    if (look.readable && look.has_stack)
      look.copy_size = std::min(look.live.stack_high - look.live.sp, kUsualCopy);
  }
  return read_copies(x_stack);
}

Status Reader::walk_stacks() {
  x_pcs.clear();
  x_slots.clear();
  for (Look& look : x_looks) {
    if (!look.readable || !look.has_stack) continue;
    look.pcs = x_pcs.size();
    look.slots = x_slots.size();
    look.end = x_walk.walk(look.live.pc, look.live.sp,
                           std::span(x_stack).subspan(look.copy, look.copy_size), x_pcs, x_slots);
    if (look.end == StackWalk::End::kCopyEnds &&
        look.copy_size < look.live.stack_high - look.live.sp) {
      x_pcs.resize(look.pcs);
      x_slots.resize(look.slots);
      const auto walked = walk_deep(look);
      if (!walked) return walked;
    }
    look.pc_count = x_pcs.size() - look.pcs;
    look.slot_count = x_slots.size() - look.slots;
    if (look.end == StackWalk::End::kTorn || look.end == StackWalk::End::kCopyEnds)
      look.readable = false;
  }
  return {};
}

// A stack that the usual copy does not hold: at once in full, and again, so that few need the room.
Status Reader::walk_deep(Look& look) {
  const uint64_t size = std::min(look.live.stack_high - look.live.sp, kDeepCopy);
  if (x_deep.size() < size) x_deep.resize(size);
  const auto copy = std::span(x_deep).first(size);
  const auto got = x_process.memory().read(look.live.sp, copy);
  if (!got) return got.error();
  look.end = StackWalk::End::kTorn;
  if (!*got) return {};
  look.end = x_walk.walk(look.live.pc, look.live.sp, copy, x_pcs, x_slots);
  if (look.end == StackWalk::End::kCopyEnds && size == kDeepCopy) look.end = StackWalk::End::kDepth;
  look.slot_count = x_slots.size() - look.slots;
  const auto again = x_process.memory().read(look.live.sp, copy);
  if (!again) return again.error();
  look.compared = *again && same_slots(look, copy);
  if (!look.compared) look.end = StackWalk::End::kTorn;
  return {};
}

// The runtime counts how often a goroutine stopped running, which tells that it did not run between
// two looks. System calls do not count in every release: their stacks are read twice, as far as
// return addresses were found in them.
Status Reader::read_stacks_again() {
  for (Look& look : x_looks) {
    look.copy_size = 0;
    const bool uncounted = look.live.status == GoroutineStatus::kSyscall;
    if (uncounted && look.readable && !look.compared && look.slot_count > 0)
      look.copy_size = x_slots[look.slots + look.slot_count - 1] + 8;
  }
  return read_copies(x_stack_again);
}

// Whether this copy of its stack holds the return addresses that were walked.
bool Reader::same_slots(const Look& look, std::span<const std::byte> copy) const {
  for (size_t i = 0; i < look.slot_count; ++i) {
    if (load<uint64_t>(copy, x_slots[look.slots + i]) != x_pcs[look.pcs + i + 1]) return false;
  }
  return true;
}

// Whether the goroutine is as it was before its stack was read.
bool Reader::same(const Look& look) const {
  const auto equal = [&](uint32_t offset, size_t size) {
    return std::memcmp(x_first.data() + look.raw + offset, x_second.data() + look.raw + offset,
                       size) == 0;
  };
  return equal(0, 16) && equal(x_layout.g_status, 4) && equal(x_layout.g_id, 8) &&
         equal(x_layout.g_sequence, 1) &&
         (!look.has_stack || (equal(x_layout.g_sched_sp, 8) && equal(x_layout.g_sched_pc, 8) &&
                              equal(x_layout.g_syscall_sp, 8) && equal(x_layout.g_wait_reason, 1)));
}

uint32_t Reader::stack_of(const Look& look) {
  const auto pcs = std::span(x_pcs).subspan(look.pcs, look.pc_count);
  // The innermost address is the instruction's own: behind a call, unless nothing has run yet.
  const bool begun = pcs.front() != look.live.start_pc;
  uint64_t hash = begun ? 1 : 2;
  for (const uint64_t pc : pcs) hash = (hash ^ pc) * 0x100000001b3ULL;
  const auto place = [&](size_t i) {
    return Frame{x_process.module(), x_process.to_file(pcs[i] - (i == 0 && begun ? 1 : 0))};
  };
  const auto [from, to] = x_stacks.equal_range(hash);
  for (auto known = from; known != to; ++known) {
    const auto& frames = x_list.stacks[known->second].frames;
    bool equal = frames.size() == pcs.size();
    for (size_t i = 0; equal && i < pcs.size(); ++i) equal = frames[i] == place(i);
    if (equal) return known->second;
  }
  RawStack stack;
  for (size_t i = 0; i < pcs.size(); ++i) stack.frames.push_back(place(i));
  if (look.end == StackWalk::End::kDepth) stack.truncated = Truncation::kDepth;
  if (look.end == StackWalk::End::kSwitch) stack.truncated = Truncation::kNoTable;
  const auto index = static_cast<uint32_t>(x_list.stacks.size());
  x_list.stacks.push_back(std::move(stack));
  x_stacks.emplace(hash, index);
  return index;
}

void Reader::keep(const Look& look) {
  LiveGoroutine live = look.live;
  if (look.has_stack)
    live.stack = stack_of(look);
  else
    ++x_list.running;
  x_list.goroutines.push_back(live);
}

Status Reader::batch(std::span<const uint64_t> goroutines) {
  x_looks.clear();
  auto read = read_structures(goroutines, x_first);
  if (!read) return read;
  for (size_t i = 0; i < goroutines.size(); ++i) {
    const Look look = look_at(goroutines[i], x_order[i]);
    if (look.live.status == GoroutineStatus::kDead || look.live.status == GoroutineStatus::kIdle)
      ++x_list.dead;
    else
      x_looks.push_back(look);
  }
  std::sort(x_looks.begin(), x_looks.end(),
            [](const Look& a, const Look& b) { return a.live.sp < b.live.sp; });
  read = read_stacks();
  if (read) read = walk_stacks();
  if (read) read = read_stacks_again();
  if (read) read = read_structures(goroutines, x_second);
  if (!read) return read;
  for (const Look& look : x_looks) {
    const auto copy =
        std::span(x_stack_again).subspan(look.copy_size == 0 ? 0 : look.copy, look.copy_size);
    if (look.readable && same(look) && (look.copy_size == 0 || same_slots(look, copy)))
      keep(look);
    else if (x_last)
      ++x_list.moving;
    else
      x_moved.push_back(look.live.address);
  }
  return {};
}

Result<GoroutineList> Reader::read() {
  auto all = addresses();
  if (!all) return all.error();
  // The runtime lists each once.
  std::sort(all->begin(), all->end());
  all->erase(std::unique(all->begin(), all->end()), all->end());
  for (int attempt = 1; attempt <= kAttempts && !all->empty(); ++attempt) {
    x_last = attempt == kAttempts;
    std::sort(all->begin(), all->end());
    const size_t most = attempt == 1 ? kBatch : kSmallBatch;
    for (size_t from = 0; from < all->size(); from += most) {
      const size_t count = std::min(most, all->size() - from);
      const auto read = batch(std::span(*all).subspan(from, count));
      if (!read) return read.error();
    }
    *all = std::exchange(x_moved, {});
  }
  x_list.read_at = monotonic_now().ns;
  std::sort(x_list.goroutines.begin(), x_list.goroutines.end(),
            [](const LiveGoroutine& a, const LiveGoroutine& b) { return a.id < b.id; });
  const auto still = x_process.still_there();
  if (!still) return still.error();
  return std::move(x_list);
}

}  // namespace

Result<GoroutineList> read_goroutines(GoProcess& process) { return Reader(process).read(); }

}  // namespace unclosed
