// The budget of stacks on the real kernel, under a child that opens as fast as it can.
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "collect/bpf/collector_fixture.h"

namespace unclosed {
namespace {

class BudgetTest : public BpfCollectorTest {
 protected:
  BudgetTest() { settings.stack_budget = 0.001; }
  // A step of the child, while events are read as they come.
  void step_and_poll(Child& child) {
    std::atomic<bool> done = false;
    std::thread stepper([&] {
      child.step();
      done = true;
    });
    while (!done) collector->poll(book, std::chrono::milliseconds(5));
    stepper.join();
  }
};

std::chrono::steady_clock::time_point in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// Keeps a frame pointer in the function that calls it: without tables the walker has nothing else.
const void* volatile frame_of_caller;
[[gnu::always_inline]] inline void keep_frame_pointer() {
  frame_of_caller = __builtin_frame_address(0);
}

[[gnu::noinline]] int open_rarely() {
  keep_frame_pointer();
  volatile char room[512];  // another depth than the busy path's
  room[0] = 1;
  return ::eventfd(0, EFD_CLOEXEC) + room[0] - 1;
}

// Opens and closes sockets as fast as it can, and in between, five times a second, an eventfd that
// it keeps.
[[gnu::noinline]] void rush(int seconds) {
  keep_frame_pointer();
  for (int fifth = 0; fifth < 5 * seconds; ++fifth) {
    open_rarely();
    for (const auto end = in(std::chrono::milliseconds(200));
         std::chrono::steady_clock::now() < end;)
      ::close(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
}

TEST_F(BudgetTest, a_busy_path_is_sampled_and_a_rare_one_is_not) {
  Child child({[] { rush(3); }});
  attach(child);
  step_and_poll(child);
  scan();
  const auto coverage = collector->coverage();
  EXPECT_GT(coverage.stacks_sampled_out, 10'000U);
  // Three seconds' worth of a thousandth, one that was saved up, one of debt, and the way to the
  // right pressure.
  EXPECT_LT(seconds(coverage.stack_time), 0.005 + 0.05);
  EXPECT_GE(coverage.opened, coverage.stacks_sampled_out / 2);  // what is sampled is still counted
  int rare = 0, with_stack = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.facts.kind != Kind::kEventfd || seen.facts.before_attach) continue;
    ++rare;
    if (seen.facts.opened.stack != kNoStack) ++with_stack;
  }
  EXPECT_EQ(rare, 15);
  EXPECT_GE(with_stack, 3);  // at least one in each second, also while the budget is in debt
}

class NoBudgetTest : public BpfCollectorTest {
 protected:
  NoBudgetTest() { settings.stack_budget = 0; }
};

TEST_F(NoBudgetTest, every_stack_is_taken) {
  Child child({[] { rush(1); }});
  attach(child);
  child.step();
  scan();
  EXPECT_EQ(collector->coverage().stacks_sampled_out, 0U);
  EXPECT_GE(collector->coverage().stacks_taken, collector->coverage().opened);
}

// Keeps one socket in so many, and leaves it alone.
[[gnu::noinline]] void rush_and_leak(int seconds, uint64_t keep_one_in) {
  keep_frame_pointer();
  uint64_t count = 0;
  for (const auto end = in(std::chrono::seconds(seconds));
       std::chrono::steady_clock::now() < end;) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (++count % keep_one_in != 0) ::close(fd);
  }
}

TEST_F(BudgetTest, a_site_that_begins_to_look_leaky_has_all_its_stacks_again) {
  const auto leak = [] { rush_and_leak(1, 2'000); };
  Child child({leak, leak, leak, leak, leak, leak});
  attach(child);
  for (int i = 0; i < 5; ++i) {
    step_and_poll(child);
    scan();
  }
  const uint64_t before = collector->coverage().stacks_sampled_out;
  const uint64_t opened_before = collector->coverage().opened;
  step_and_poll(child);
  const uint64_t opened = collector->coverage().opened - opened_before;
  EXPECT_GT(before, 10'000U);
  EXPECT_LT(collector->coverage().stacks_sampled_out - before, opened / 2);
}

}  // namespace
}  // namespace unclosed
