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

void SampleTable::add(uint64_t key, const Values& values, uint64_t where) {
  if (key == 0) key = 1;
  auto found = x_entries.find(key);
  const bool known = found != x_entries.end();
  const bool room = known || x_entries.size() < kMostKeys;
  if (!known && room) found = x_entries.emplace(key, Entry{{}, where}).first;
  Values& into = room ? found->second.values : x_others;
  for (size_t i = 0; i < values.size(); ++i) {
    into[i] = plus(into[i], values[i]);
    x_total[i] = plus(x_total[i], values[i]);
  }
}

void SampleTable::fill(ProfileKind kind, const Names& names, Captured& into) const {
  struct Row {
    uint64_t key;
    const Entry* entry;
    int64_t weight;
  };
  std::vector<Row> rows;
  rows.reserve(x_entries.size());
  into.kind = kind;
  for (const auto& [key, entry] : x_entries) {
    rows.push_back({key, &entry, weight(kind, entry.values)});
    into.values.emplace(key, rows.back().weight);
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.entry->where < b.entry->where;
  });
  GoroutineCapture& capture = into.capture;
  uint64_t others = positive(x_others[0]);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Values& values = rows[i].entry->values;
    if (i >= kMostNamed) {
      others += positive(values[0]);
      continue;
    }
    auto stack = names(rows[i].entry->where);
    switch (kind) {
      case ProfileKind::kGoroutines: {
        GoroutineGroup group;
        group.count = positive(values[0]);
        group.state = state_of_stack(stack);
        group.stack = std::move(stack);
        group.key = rows[i].key;
        capture.groups.push_back(std::move(group));
        break;
      }
      case ProfileKind::kHeap: {
        AllocationSite site;
        site.stack = std::move(stack);
        site.allocated_objects = values[0];
        site.allocated_bytes = values[1];
        site.in_use_objects = values[2];
        site.in_use_bytes = values[3];
        site.key = rows[i].key;
        capture.allocations.push_back(std::move(site));
        break;
      }
      case ProfileKind::kContention: {
        ContentionSite site;
        site.stack = std::move(stack);
        site.contentions = values[0];
        site.delay_seconds = static_cast<double>(values[1]) / 1e9;
        site.key = rows[i].key;
        capture.contentions.push_back(std::move(site));
        break;
      }
    }
  }
  if (kind == ProfileKind::kGoroutines) {
    capture.goroutines = positive(x_total[0]);
    capture.others = others;
  }
}

}  // namespace unclosed
