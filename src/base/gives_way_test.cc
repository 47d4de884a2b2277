#include "base/gives_way.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/clock.h"

namespace unclosed {
namespace {

bool may_return() {
  bool may = false;
  std::thread([&] {
    const sched_param none{};
    may = ::sched_setscheduler(0, SCHED_IDLE, &none) == 0 &&
          ::sched_setscheduler(0, SCHED_OTHER, &none) == 0;
  }).join();
  return may;
}

class GivesWayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::sched_getscheduler(0) != SCHED_OTHER)
      GTEST_SKIP() << "the tests themselves run by a policy other than the usual one";
    if (!may_return()) GTEST_SKIP() << "nobody may leave the idle policy here (CAP_SYS_NICE)";
  }
};

TEST_F(GivesWayTest, stands_behind_all_others_while_it_lives) {
  {
    const GivesWay way;
    EXPECT_EQ(::sched_getscheduler(0), SCHED_IDLE);
  }
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
}

TEST_F(GivesWayTest, goes_on_as_usual_on_a_machine_without_a_moment_to_spare) {
  std::thread([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    std::atomic<bool> stop = false;
    std::thread busy([&] {
      while (!stop) {
      }
    });
    {
      const GivesWay way;
      const Instant began = monotonic_now();
      while (::sched_getscheduler(0) != SCHED_OTHER &&
             monotonic_now() - began < std::chrono::seconds(20)) {
      }
      EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
      EXPECT_LT(monotonic_now() - began, std::chrono::seconds(5));
    }
    stop = true;
    busy.join();
  }).join();
}

TEST_F(GivesWayTest, a_policy_that_somebody_chose_stays) {
  std::thread([] {
    const sched_param none{};
    ASSERT_EQ(::sched_setscheduler(0, SCHED_BATCH, &none), 0);
    const GivesWay way;
    EXPECT_EQ(::sched_getscheduler(0), SCHED_BATCH);
  }).join();
}

}  // namespace
}  // namespace unclosed
