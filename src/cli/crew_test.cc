#include "cli/crew.h"

#include <gtest/gtest.h>

#include <atomic>

namespace unclosed {
namespace {

TEST(Crew, does_every_task_and_those_that_tasks_add) {
  Crew crew;
  std::atomic<int> done = 0;
  for (int i = 0; i < 20; ++i) {
    crew.add([&] {
      for (int more = 0; more < 5; ++more) crew.add([&] { ++done; });
      ++done;
    });
  }
  crew.work();
  EXPECT_EQ(done, 120);
}

TEST(Crew, without_tasks_there_is_nothing_to_wait_for) { Crew().work(); }

TEST(Crew, works_again_and_with_one_thread) {
  Crew crew(1);
  int done = 0;
  for (int round = 0; round < 3; ++round) {
    crew.add([&] { ++done; });
    crew.work();
  }
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace unclosed
