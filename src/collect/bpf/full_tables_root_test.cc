// The collector with tables that are too small for what happens: what is beyond is counted and
// said, what was known stays, and no stack is ever another's.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "collect/bpf/collector.h"
#include "collect/bpf/no_code.h"
#include "collect/bpf/stepped_child.h"

namespace unclosed {
namespace {

class Book final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (std::holds_alternative<ScanBegin>(record)) open.clear();
    if (const auto* seen = std::get_if<Seen>(&record)) open.push_back(*seen);
    if (const auto* failed = std::get_if<Failed>(&record)) failures.insert(failed->stack);
    if (const auto* lost = std::get_if<Lost>(&record)) losses[lost->reason] += lost->count;
    if (const auto* ended = std::get_if<Closed>(&record))
      closed_with_opening += ended->facts.opened.stack != kNoStack ? 1 : 0;
  }
  // By the number in the only process.
  const Seen* at(int fd) const {
    for (const Seen& seen : open) {
      for (const Descriptor& one : seen.descriptors) {
        if (one.fd == fd) return &seen;
      }
    }
    return nullptr;
  }
  std::vector<Seen> open;
  std::set<StackId> failures;
  std::map<LossReason, uint64_t> losses;
  int closed_with_opening = 0;
};

class FullTables : public ::testing::Test {
 protected:
  void attach(const Child& child) {
    auto opened = BpfCollector::open(settings, code, ProcFs());
    ASSERT_TRUE(opened) << opened.error().context;
    collector.emplace(*std::move(opened));
    const auto process = ProcFs().identify(child.pid());
    ASSERT_TRUE(process);
    ASSERT_TRUE(collector->add_target(*process));
    scan();
  }
  void scan() {
    const auto done = collector->scan(book);
    ASSERT_TRUE(done) << done.error().context;
  }
  size_t traced() const {
    return static_cast<size_t>(
        std::count_if(book.open.begin(), book.open.end(),
                      [](const Seen& it) { return it.facts.opened.stack != kNoStack; }));
  }
  BpfSettings settings;
  NoCode code;
  std::optional<BpfCollector> collector;
  Book book;
};

TEST_F(FullTables, what_does_not_fit_the_records_at_hand_is_known_as_well) {
  constexpr int kOpened = 200, kClosed = 170;
  settings.most_connections = 256;  // half of them at hand
  const auto open_many = [] {
    for (int i = 0; i < kOpened; ++i) ::eventfd(0, 0);
  };
  const auto close_many = [] {
    for (int i = 0; i < kClosed; ++i) ::close(30 + i);
  };
  Child child({open_many, close_many, open_many, close_many});
  attach(child);
  const size_t before = book.open.size();
  for (int round = 0; round < 2; ++round) {
    const size_t kept = static_cast<size_t>(round * (kOpened - kClosed));
    child.step();
    scan();
    EXPECT_EQ(book.open.size(), before + kept + kOpened);
    EXPECT_EQ(traced(), kept + kOpened);
    child.step();
    collector->poll(book, Duration::zero());
    EXPECT_EQ(book.closed_with_opening, (round + 1) * kClosed);
    scan();
    EXPECT_EQ(traced(), kept + kOpened - kClosed);
    EXPECT_EQ(collector->coverage().drift, 0);
    EXPECT_EQ(collector->coverage().events_lost, 0U);
  }
}

TEST_F(FullTables, connections_without_a_place_are_listed_and_counted) {
  constexpr int kOpened = 200;
  settings.most_connections = 64;
  Child child({[] {
                 for (int i = 0; i < kOpened; ++i) ::eventfd(0, 0);
               },
               [] { ::close_range(30, 1000, 0); }});
  attach(child);
  const size_t before = book.open.size();
  child.step();
  for (int again = 0; again < 3; ++again) {
    scan();
    EXPECT_EQ(book.open.size(), before + kOpened);
    EXPECT_EQ(collector->coverage().drift, 0);
  }
  const BpfCoverage seen = collector->coverage();
  // Hash maps may hold a few more than they were made for (one a CPU).
  EXPECT_NEAR(static_cast<double>(traced()), 64.0 - static_cast<double>(before), 8.0);
  EXPECT_EQ(seen.opened, static_cast<uint64_t>(kOpened));
  EXPECT_EQ(seen.events_lost + traced(), static_cast<uint64_t>(kOpened));
  // What was open before may have given way to what came later.
  EXPECT_GE(seen.unplaced, book.open.size() - traced() - before);
  EXPECT_LE(seen.unplaced, book.open.size() - traced());
  EXPECT_GE(book.losses[LossReason::kTableFull], seen.events_lost);
  child.step();
  scan(), scan();
  EXPECT_EQ(collector->coverage().unplaced, 0U) << "there is room again";
  EXPECT_EQ(collector->coverage().drift, 0);
}

// Thousands of places that open, through a few connections that stay: as many functions as there
// are paths of calls, each bit of a number being one of two callers. Without any code's tables the
// walker goes by frame pointers.
#define UNCLOSED_FRAMED __attribute__((noinline, optimize("no-omit-frame-pointer")))
template <int kBit>
UNCLOSED_FRAMED int path(unsigned number);
template <int kBit>
UNCLOSED_FRAMED int left(unsigned number) {
  const int fd = path<kBit>(number);
  asm volatile("" ::: "memory");
  return fd;
}
template <int kBit>
UNCLOSED_FRAMED int right(unsigned number) {
  const int fd = path<kBit>(number);
  asm volatile("" ::: "memory");
  return fd;
}
template <int kBit>
UNCLOSED_FRAMED int path(unsigned number) {
  int fd;
  if constexpr (kBit == 0) {
    fd = ::eventfd(0, 0);
  } else {
    fd = number & 1 ? left<kBit - 1>(number >> 1) : right<kBit - 1>(number >> 1);
  }
  asm volatile("" ::: "memory");
  return fd;
}
constexpr int kBits = 12;
template <int kBit>
void note_callers(std::vector<std::pair<uint64_t, uint64_t>>& pairs) {
  if constexpr (kBit > 0) {
    pairs.emplace_back(reinterpret_cast<uint64_t>(&left<kBit - 1>),
                       reinterpret_cast<uint64_t>(&right<kBit - 1>));
    note_callers<kBit - 1>(pairs);
  }
}

constexpr uint64_t kCallerBytes = 16;  // of left and right, which do nothing but call

// The number whose path a stack shows; nullopt: it is none of ours, or it contradicts itself.
std::optional<unsigned> number_of(const RawStack& stack) {
  std::vector<std::pair<uint64_t, uint64_t>> pairs;
  note_callers<kBits>(pairs);
  unsigned number = 0, bits = 0;
  for (size_t level = 0; level < pairs.size(); ++level) {
    const auto passes = [&](uint64_t function) {
      return std::any_of(stack.frames.begin(), stack.frames.end(), [&](const Frame& frame) {
        return frame.address.value > function && frame.address.value - function < kCallerBytes;
      });
    };
    const bool one = passes(pairs[level].first), zero = passes(pairs[level].second);
    if (one == zero) return std::nullopt;
    number |= (one ? 1U : 0U) << level;
    ++bits;
  }
  return bits == kBits ? std::optional(number) : std::nullopt;
}

// Of what is left under a copy alone, whose maker counts as its opener.
StackId first_opening(const Seen& seen) {
  return seen.facts.copied_from.value_or(seen.facts.opened).stack;
}

TEST_F(FullTables, stacks_make_room_and_none_is_wrong) {
  constexpr unsigned kPaths = 4000, kKept = 40;
  settings.most_stacks = 512;
  // So few at a time that each scan finds room for those of the next.
  constexpr unsigned kAtATime = 32;
  std::vector<std::function<void()>> steps;
  for (unsigned from = 0; from < kPaths; from += kAtATime) {
    steps.emplace_back([from] {
      for (unsigned i = from; i < from + kAtATime; ++i) {
        const int fd = path<kBits>(i);
        if (i % (kPaths / kKept) == 0) ::dup2(fd, 300 + static_cast<int>(i / (kPaths / kKept)));
        ::close(fd);
      }
    });
  }
  Child child(steps);
  attach(child);
  for (size_t i = 0; i < steps.size(); ++i) {
    child.step();
    scan();
  }
  unsigned right = 0, without = 0;
  for (unsigned i = 0; i < kKept; ++i) {
    const Seen* seen = book.at(300 + static_cast<int>(i));
    ASSERT_NE(seen, nullptr) << i;
    const StackId opened = first_opening(*seen);
    if (opened == kNoStack) {
      ++without;
      continue;
    }
    const RawStack* stack = collector->stack(opened);
    ASSERT_NE(stack, nullptr) << i;
    const auto number = number_of(*stack);
    ASSERT_TRUE(number) << i << ": not a path of ours";
    EXPECT_EQ(*number, i * (kPaths / kKept));
    right += *number == i * (kPaths / kKept) ? 1 : 0;
  }
  EXPECT_EQ(right + without, kKept);
  EXPECT_GE(right, kKept * 3 / 4) << "the table gave no room again";
  const BpfCoverage seen = collector->coverage();
  EXPECT_EQ(seen.opened, kPaths);
  EXPECT_EQ(seen.closed, kPaths - kKept);
  EXPECT_EQ(seen.drift, 0);
}

// All at once: more places than the table holds, all of them still referred to.
TEST_F(FullTables, a_stack_without_a_place_is_counted_and_never_anothers) {
  constexpr unsigned kPaths = 400;
  settings.most_stacks = 64;
  Child child({[] {
    rlimit many{4096, 4096};
    ::setrlimit(RLIMIT_NOFILE, &many);
    for (unsigned i = 0; i < kPaths; ++i) {
      const int fd = path<kBits>(i);
      ::dup2(fd, 1000 + static_cast<int>(i));
      ::close(fd);
    }
  }});
  attach(child);
  child.step();
  scan();
  uint64_t with = 0;
  for (unsigned i = 0; i < kPaths; ++i) {
    const Seen* seen = book.at(1000 + static_cast<int>(i));
    ASSERT_NE(seen, nullptr) << i;
    const StackId opened = first_opening(*seen);
    if (opened == kNoStack) continue;
    ++with;
    const RawStack* stack = collector->stack(opened);
    ASSERT_NE(stack, nullptr) << i;
    EXPECT_EQ(number_of(*stack), std::optional(i));
  }
  EXPECT_GT(with, 20U);
  EXPECT_LT(with, 100U);
  EXPECT_GE(collector->coverage().stacks_lost, kPaths - with);
  EXPECT_GE(book.losses[LossReason::kStacksFull], kPaths - with);
  EXPECT_EQ(collector->coverage().events_lost, 0U);
}

TEST_F(FullTables, failures_without_a_place_are_counted) {
  constexpr unsigned kPaths = 300;
  settings.most_failures = 16;
  Child child({[] {
    rlimit few{8, 8};
    ::setrlimit(RLIMIT_NOFILE, &few);
    while (::eventfd(0, 0) >= 0) {
    }
    for (unsigned i = 0; i < kPaths; ++i) path<kBits>(i);
  }});
  attach(child);
  child.step();
  scan();
  EXPECT_GE(book.failures.size(), 8U);
  EXPECT_LE(book.failures.size(), 32U);
  const uint64_t attempts = kPaths + 1;
  EXPECT_EQ(book.failures.size() + collector->coverage().failures_lost, attempts);
}

TEST_F(FullTables, a_child_too_many_is_counted_and_not_followed) {
  constexpr int kChildren = 40;
  static std::array<pid_t, kChildren> pids;
  settings.most_targets = 8;
  Child child({[] {
                 for (pid_t& pid : pids) {
                   pid = ::fork();
                   if (pid == 0) {
                     ::eventfd(0, 0);
                     for (;;) ::pause();
                   }
                 }
               },
               [] {
                 for (const pid_t pid : pids) ::kill(pid, SIGKILL), ::waitpid(pid, nullptr, 0);
               }});
  attach(child);
  child.step();
  scan();
  const BpfCoverage seen = collector->coverage();
  EXPECT_GE(seen.children_lost, 20U);
  EXPECT_EQ(collector->targets().size() + seen.children_lost, kChildren + 1U);
  EXPECT_GE(book.losses[LossReason::kTableFull], seen.children_lost);
  child.step();
}

TEST_F(FullTables, a_target_too_many_is_refused_with_its_reason) {
  settings.most_targets = 2;
  Child child({});
  attach(child);
  std::vector<std::unique_ptr<Child>> more;
  for (int i = 0; i < 16; ++i) {
    more.push_back(std::make_unique<Child>(std::vector<std::function<void()>>{}));
    const auto added = collector->add_target(*ProcFs().identify(more.back()->pid()));
    if (added) continue;
    EXPECT_EQ(added.error().kind, ErrorKind::kLimit);
    EXPECT_EQ(added.error().id, "UC-E012");
    return;
  }
  FAIL() << "no target was too many";
}

TEST_F(FullTables, closes_that_found_no_place_in_the_ring_are_counted_and_healed) {
  constexpr int kTimes = 5000, kKept = 50;
  settings.ring_bytes = 262144;
  Child child({[] {
                 for (int i = 0; i < kKept; ++i) ::dup2(::eventfd(0, 0), 500 + i);
               },
               [] {
                 for (int i = 0; i < kTimes; ++i) ::close(::eventfd(0, 0));
                 for (int i = 0; i < kKept; ++i) ::close(500 + i);
               }});
  attach(child);
  child.step();
  scan();
  const size_t open = book.open.size();
  child.step();
  scan(), scan();
  const BpfCoverage seen = collector->coverage();
  EXPECT_GT(seen.events_lost, 1000U);
  EXPECT_EQ(book.losses[LossReason::kRingFull], seen.events_lost);
  EXPECT_EQ(seen.opened, static_cast<uint64_t>(kTimes + kKept));
  EXPECT_LT(book.open.size(), open + kTimes) << "what was closed is not reported as open";
  EXPECT_EQ(book.at(510), nullptr);
  EXPECT_EQ(seen.drift, 0);
}

}  // namespace
}  // namespace unclosed
