#include "collect/seccomp/goroutines.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <thread>

namespace unclosed {
namespace {

// A runtime of two goroutines, in the memory of this process.
class GoroutinesTest : public ::testing::Test {
 protected:
  struct Goroutine {
    uint64_t low = 0, high = 0;
    std::array<uint64_t, 8> more{};
    uint64_t id = 0;
  };

  void SetUp() override {
    for (size_t i = 0; i < stack.size(); ++i) stack[i] = static_cast<uint8_t>(i);
    first = {start(), start() + 512, {}, 7};
    second = {start() + 512, start() + 1024, {}, 8};
    goroutines.tell(self, {reinterpret_cast<uint64_t>(&slice), offsetof(Goroutine, id)});
  }
  uint64_t start() const { return reinterpret_cast<uint64_t>(stack.data()); }

  alignas(16) std::array<uint8_t, 1024> stack{};
  Goroutine first, second;
  std::array<Goroutine*, 2> all{&first, &second};
  struct {
    void* at;
    uint64_t count, capacity;
  } slice{all.data(), 2, 2};
  std::array<uint8_t, 4096> room{};
  Goroutines goroutines;
  const uint32_t self = static_cast<uint32_t>(::getpid());
};

TEST_F(GoroutinesTest, a_stack_is_copied_to_its_beginning_and_no_further) {
  const auto running = goroutines.running_on(self, start() + 500, room);
  ASSERT_TRUE(running);
  EXPECT_EQ(running->id, 7U);
  ASSERT_EQ(running->copied, 12U);
  EXPECT_TRUE(std::equal(room.begin(), room.begin() + 12, stack.begin() + 500));
  EXPECT_EQ(room[12], 0);
}

TEST_F(GoroutinesTest, no_more_is_copied_than_there_is_room) {
  const auto running = goroutines.running_on(self, start() + 512, std::span(room).first(64));
  ASSERT_TRUE(running);
  EXPECT_EQ(running->id, 8U);
  EXPECT_EQ(running->copied, 64U);
}

TEST_F(GoroutinesTest, a_stack_that_went_to_another_goroutine_is_never_taken_for_the_first_ones) {
  ASSERT_TRUE(goroutines.running_on(self, start() + 8, room));
  std::swap(first.low, second.low);
  std::swap(first.high, second.high);
  const auto running = goroutines.running_on(self, start() + 8, room);
  ASSERT_TRUE(running);
  EXPECT_EQ(running->id, 8U);
}

TEST_F(GoroutinesTest, all_are_listed_for_a_share_of_the_time_only) {
  ASSERT_TRUE(goroutines.running_on(self, start() + 8, room));
  const Instant began = monotonic_now();
  for (int i = 0; i < 2000; ++i) goroutines.running_on(self, start() + 1024, room);
  const Duration took = monotonic_now() - began;
  std::swap(first.low, second.low);
  std::swap(first.high, second.high);
  if (took < std::chrono::milliseconds(500)) {  // a slower machine has saved up more meanwhile
    EXPECT_FALSE(goroutines.running_on(self, start() + 8, room));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const auto running = goroutines.running_on(self, start() + 8, room);
  ASSERT_TRUE(running);
  EXPECT_EQ(running->id, 8U);
}

TEST_F(GoroutinesTest, code_on_no_goroutines_stack_has_none) {
  EXPECT_FALSE(goroutines.running_on(self, start() + 1024, room));
  EXPECT_FALSE(goroutines.running_on(self, start() - 8, room));
}

}  // namespace
}  // namespace unclosed
