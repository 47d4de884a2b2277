#include "base/short_turns.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace unclosed {
namespace {

struct Attributes {
  uint32_t size = 0, policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};

Attributes own() {
  Attributes now;
  EXPECT_EQ(::syscall(__NR_sched_getattr, 0, &now, sizeof now, 0), 0);
  return now;
}

TEST(ShortTurns, are_asked_for_and_nothing_else_changes) {
  std::thread([] {
    const Attributes before = own();
    if (before.policy != SCHED_OTHER) GTEST_SKIP() << "the tests run by another policy";
    if (before.runtime == 0) GTEST_SKIP() << "this kernel has no turns to ask for (before 6.12)";
    ::setpriority(PRIO_PROCESS, 0, before.nice + 1);
    ask_for_short_turns();
    const Attributes after = own();
    EXPECT_EQ(after.runtime, 100'000U);
    EXPECT_LT(after.runtime, before.runtime);
    EXPECT_EQ(after.policy, before.policy);
    EXPECT_EQ(after.nice, before.nice + 1);
  }).join();
}

TEST(ShortTurns, a_policy_that_somebody_chose_is_kept) {
  std::thread([] {
    const sched_param none{};
    ASSERT_EQ(::sched_setscheduler(0, SCHED_IDLE, &none), 0);
    ask_for_short_turns();
    EXPECT_EQ(own().policy, static_cast<uint32_t>(SCHED_IDLE));
  }).join();
}

}  // namespace
}  // namespace unclosed
