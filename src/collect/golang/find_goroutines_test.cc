#include "collect/golang/find_goroutines.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "collect/golang/goroutine_state.h"
#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

// Goroutines as one release lays them out, in our own memory.
class FindGoroutines : public testing::Test {
 protected:
  FindGoroutines() {
    x_layout.g_size = 440;
    x_layout.g_sched_sp = 56;
    x_layout.g_status = 144;
    x_layout.g_id = 152;
    for (uint64_t i = 0; i < 3; ++i) {
      auto& g = x_goroutines[i];
      put(i, 0, reinterpret_cast<uint64_t>(x_stack.data()));
      put(i, 8, reinterpret_cast<uint64_t>(x_stack.data() + x_stack.size()));
      put(i, x_layout.g_sched_sp, reinterpret_cast<uint64_t>(x_stack.data() + 100));
      put(i, x_layout.g_status, 4);
      put(i, x_layout.g_id, i + 1);
      x_all.push_back(reinterpret_cast<uint64_t>(g.data()));
    }
    x_variables[40] = reinterpret_cast<uint64_t>(x_all.data());
    x_variables[41] = 3;
    x_variables[42] = 4;
    // What looks like slices, too.
    x_variables[50] = x_variables[40];
    x_variables[51] = 9;
    x_variables[52] = 2;
    x_variables[60] = reinterpret_cast<uint64_t>(x_stack.data());
    x_variables[61] = 1;
    x_variables[62] = 1;
  }
  void put(size_t goroutine, uint32_t offset, uint64_t value) {
    std::memcpy(x_goroutines[goroutine].data() + offset, &value, sizeof value);
  }
  std::array<AddressRange, 2> variables() const {
    const auto start = reinterpret_cast<uint64_t>(x_variables.data());
    return {AddressRange{start, start + sizeof x_variables}, AddressRange{}};
  }
  uint64_t place() const { return reinterpret_cast<uint64_t>(&x_variables[40]); }
  std::vector<uint64_t> scan() {
    return scan_for_goroutines(x_memory, x_layout, variables()).value();
  }
  std::optional<std::string> fault() {
    return check_goroutines(x_memory, x_layout, place()).value();
  }

  RemoteMemory x_memory = RemoteMemory::open(ProcFs().identify(::getpid()).value()).value();
  GoRuntimeLayout x_layout;
  alignas(8) std::array<std::array<std::byte, 448>, 3> x_goroutines{};
  std::array<uint64_t, 512> x_stack{};
  std::vector<uint64_t> x_all;
  std::array<uint64_t, 100> x_variables{};
};

TEST_F(FindGoroutines, the_list_is_found_by_its_first_goroutine) {
  EXPECT_EQ(scan(), std::vector{place()});
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(FindGoroutines, a_first_goroutine_of_another_number_is_none) {
  put(0, x_layout.g_id, 17);
  EXPECT_TRUE(scan().empty());
  EXPECT_EQ(fault(), "the first is not goroutine 1");
}

TEST_F(FindGoroutines, what_contradicts_itself_is_refused) {
  put(1, x_layout.g_status, 77);
  EXPECT_TRUE(fault());
  put(1, x_layout.g_status, 4);
  put(2, 8, 0);
  EXPECT_EQ(fault(), "goroutine 3 without a stack");
  put(2, x_layout.g_status, 6);  // it has ended: it needs none
  EXPECT_EQ(fault(), std::nullopt);
  put(1, x_layout.g_sched_sp, 1 << 20);
  EXPECT_EQ(fault(), "goroutine 2 waits outside of its stack");
}

TEST_F(FindGoroutines, a_list_that_is_none_is_told) {
  x_variables[41] = 0;
  EXPECT_EQ(fault(), "the list is none");
  x_variables[41] = uint64_t{1} << 60;
  EXPECT_EQ(fault(), "the list is none");
  x_variables[41] = x_variables[42] = 4;
  x_variables[40] = 4096;
  EXPECT_EQ(fault(), "the list is not in memory");
}

TEST(GoroutineState, each_number_has_its_meaning_with_and_without_the_collectors_mark) {
  EXPECT_EQ(goroutine_status(4), GoroutineStatus::kWaiting);
  EXPECT_EQ(goroutine_status(4 | kScanned), GoroutineStatus::kWaiting);
  EXPECT_EQ(goroutine_status(10), GoroutineStatus::kWaiting);
  EXPECT_EQ(goroutine_status(11), GoroutineStatus::kDead);
  EXPECT_EQ(goroutine_status(5), std::nullopt);
  EXPECT_EQ(goroutine_status(0x2004), std::nullopt);
  EXPECT_EQ(to_string(GoroutineStatus::kSyscall), "syscall");
}

}  // namespace
}  // namespace unclosed
