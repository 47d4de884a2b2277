#include "collect/pprof/sample_table.h"

#include <algorithm>

namespace unclosed {
namespace {

int64_t plus(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

// What the largest are chosen by.
int64_t weight(ProfileKind kind, const SampleTable::Values& values) {
  switch (kind) {
    case ProfileKind::kGoroutines:
      return values[0];
    case ProfileKind::kHeap:
      return values[3];
    case ProfileKind::kContention:
      return values[1];
  }
  return 0;
}

uint64_t positive(int64_t value) { return value > 0 ? static_cast<uint64_t>(value) : 0; }

struct Mark {
  std::string_view function, state;
};
// The innermost that is met decides.
constexpr std::array kMarks = {
    Mark{"runtime.netpollblock", "IO wait"},
    Mark{"internal/poll.runtime_pollWait", "IO wait"},
    Mark{"net.runtime_pollWait", "IO wait"},
    Mark{"runtime.chanrecv", "chan receive"},
    Mark{"runtime.chanrecv1", "chan receive"},
    Mark{"runtime.chanrecv2", "chan receive"},
    Mark{"runtime.chansend", "chan send"},
    Mark{"runtime.chansend1", "chan send"},
    Mark{"runtime.selectgo", "select"},
    Mark{"runtime.block", "select (no cases)"},
    Mark{"time.Sleep", "sleep"},
    Mark{"sync.runtime_notifyListWait", "sync.Cond.Wait"},
    Mark{"sync.runtime_SemacquireMutex", "sync.Mutex.Lock"},
    Mark{"internal/sync.runtime_SemacquireMutex", "sync.Mutex.Lock"},
    Mark{"sync.runtime_SemacquireRWMutexR", "sync.RWMutex.RLock"},
    Mark{"sync.runtime_SemacquireRWMutex", "sync.RWMutex.Lock"},
    Mark{"sync.runtime_SemacquireWaitGroup", "sync.WaitGroup.Wait"},
    Mark{"sync.runtime_Semacquire", "semacquire"},
    Mark{"os/signal.signal_recv", "syscall"},
    Mark{"syscall.Syscall", "syscall"},
    Mark{"syscall.Syscall6", "syscall"},
    Mark{"internal/runtime/syscall.Syscall6", "syscall"},
    Mark{"runtime/internal/syscall.Syscall6", "syscall"},
};

void add_named(ProfileKind kind, uint64_t key, const SampleTable::Values& values,
               std::vector<NamedFrame> stack, GoroutineCapture& capture) {
  switch (kind) {
    case ProfileKind::kGoroutines: {
      GoroutineGroup& group = capture.groups.emplace_back();
      group.count = positive(values[0]);
      group.state = state_of_stack(stack);
      group.stack = std::move(stack);
      group.key = key;
      break;
    }
    case ProfileKind::kHeap:
      capture.allocations.push_back(
          {std::move(stack), values[3], values[2], values[1], values[0], std::nullopt, key});
      break;
    case ProfileKind::kContention:
      capture.contentions.push_back(
          {std::move(stack), values[0], static_cast<double>(values[1]) / 1e9, std::nullopt, key});
      break;
  }
}

}  // namespace

std::string_view state_of_stack(const std::vector<NamedFrame>& stack) {
  for (const NamedFrame& frame : stack) {
    const auto found = std::find_if(kMarks.begin(), kMarks.end(), [&](const Mark& mark) {
      return mark.function == frame.function;
    });
    if (found != kMarks.end()) return found->state;
    // Beyond the runtime and sync it is the program that runs.
    const bool inner = frame.function.starts_with("runtime.") ||
                       frame.function.starts_with("internal/") ||
                       frame.function.starts_with("sync.");
    if (!inner) return {};
  }
  return {};
}

void SampleTable::reserve(size_t keys) {
  keys = std::min(keys, kMostKeys);
  size_t slots = 1024;
  while (slots < keys * 2 + 2) slots *= 2;
  x_entries.reserve(keys);
  if (slots > x_slots.size()) place(slots);
}

void SampleTable::place(size_t slots) {
  x_slots.assign(slots, 0);
  const size_t mask = x_slots.size() - 1;
  for (size_t i = 0; i < x_entries.size(); ++i) {
    size_t at = x_entries[i].key & mask;
    while (x_slots[at] != 0) at = (at + 1) & mask;
    x_slots[at] = static_cast<uint32_t>(i + 1);
  }
}

SampleTable::Entry* SampleTable::find(uint64_t key) {
  if (x_entries.size() * 2 >= x_slots.size()) place(std::max<size_t>(1024, x_slots.size() * 2));
  const size_t mask = x_slots.size() - 1;
  size_t at = key & mask;
  for (; x_slots[at] != 0; at = (at + 1) & mask) {
    Entry& entry = x_entries[x_slots[at] - 1];
    if (entry.key == key) return &entry;
  }
  if (x_entries.size() >= kMostKeys) return nullptr;
  Entry& made = x_entries.emplace_back();
  x_slots[at] = static_cast<uint32_t>(x_entries.size());
  made.key = key;
  return &made;
}

void SampleTable::add(uint64_t key, const Values& values, uint64_t where) {
  if (key == 0) key = 1;
  Entry* const entry = find(key);
  // The first of its kind leads to the stack.
  if (entry != nullptr && entry->where == 0) entry->where = where + 1;
  Values& into = entry != nullptr ? entry->values : x_others;
  for (size_t i = 0; i < values.size(); ++i) {
    into[i] = plus(into[i], values[i]);
    x_total[i] = plus(x_total[i], values[i]);
  }
}

void SampleTable::fill(ProfileKind kind, const Names& names, Captured& into) const {
  std::vector<const Entry*> rows;
  rows.reserve(x_entries.size());
  into.kind = kind;
  into.values.reserve(x_entries.size());
  for (const Entry& entry : x_entries) {
    rows.push_back(&entry);
    into.values.emplace_back(entry.key, weight(kind, entry.values));
  }
  const size_t named =
      std::min(rows.size(), kind == ProfileKind::kGoroutines ? kMostGroups : kMostSites);
  std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(named), rows.end(),
                    [kind](const Entry* a, const Entry* b) {
                      const int64_t of_a = weight(kind, a->values), of_b = weight(kind, b->values);
                      return of_a != of_b ? of_a > of_b : a->where < b->where;
                    });
  GoroutineCapture& capture = into.capture;
  uint64_t others = positive(x_others[0]);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Values& values = rows[i]->values;
    if (i >= named) {
      others += positive(values[0]);
      continue;
    }
    add_named(kind, rows[i]->key, values, names(rows[i]->where - 1), capture);
  }
  if (kind == ProfileKind::kGoroutines) {
    capture.goroutines = positive(x_total[0]);
    capture.others = others;
  }
}

}  // namespace unclosed
