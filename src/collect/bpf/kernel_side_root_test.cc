// The kernel side by itself, on this process.
#include "collect/bpf/kernel_side.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <optional>

#include "base/fd.h"

namespace unclosed {
namespace {

class KernelSideTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = KernelSide::load({});
    ASSERT_TRUE(loaded) << loaded.error().context;
    kernel.emplace(*std::move(loaded));
    uc_target target{};
    target.flags = UC_TARGET_NO_STACKS;
    ASSERT_TRUE(kernel->put_target(self, target));
  }
  std::optional<uc_record> record_of(int fd) const {
    std::optional<uc_record> found;
    kernel->each_record([&](const uc_record& record, const uc_handed*) {
      if (record.fd == fd && record.tgid == self) found = record;
    });
    return found;
  }
  std::optional<KernelSide> kernel;
  const uint32_t self = static_cast<uint32_t>(::getpid());
};

TEST_F(KernelSideTest, what_changed_hands_since_the_scan_began_is_not_taken_for_closed) {
  const Fd first(::eventfd(0, EFD_CLOEXEC));
  const auto record = record_of(first.get());
  ASSERT_TRUE(record);
  const Instant began = monotonic_now();
  const Fd copy(::dup(first.get()));
  kernel->reap(record->file, record->generation, began);
  EXPECT_TRUE(record_of(first.get())) << "copied in the meantime";
  kernel->reap(record->file, record->generation, monotonic_now());
  EXPECT_FALSE(record_of(first.get()));
}

TEST_F(KernelSideTest, what_one_of_two_holders_closed_since_the_scan_began_is_not_either) {
  const Fd first(::eventfd(0, EFD_CLOEXEC));
  Fd copy(::dup(first.get()));
  const auto record = record_of(first.get());
  ASSERT_TRUE(record);
  const Instant began = monotonic_now();
  copy.reset();
  kernel->reap(record->file, record->generation, began);
  EXPECT_TRUE(record_of(first.get()));
  // The moment of a partial close is told in parts of 17 ms.
  ::usleep(40'000);
  kernel->reap(record->file, record->generation, monotonic_now());
  EXPECT_FALSE(record_of(first.get()));
}

TEST_F(KernelSideTest, another_generation_is_left_alone) {
  const Fd one(::eventfd(0, EFD_CLOEXEC));
  const auto record = record_of(one.get());
  ASSERT_TRUE(record);
  kernel->reap(record->file, record->generation + 1, monotonic_now());
  EXPECT_TRUE(record_of(one.get()));
}

}  // namespace
}  // namespace unclosed
