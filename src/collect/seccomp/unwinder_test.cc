#include "collect/seccomp/unwinder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace unclosed {
namespace {

// Code of which every function has a frame of two words, and one has no caller.
class TwoWordFrames : public CodeSource {
 public:
  TwoWordFrames() { x_code.go.emplace(); }
  Result<ModuleId> open_module(const ProcessId&, const Mapping&) override { return ModuleId{1}; }
  const ModuleCode& code(ModuleId) override { return x_code; }
  std::optional<uint64_t> bias(ModuleId, const Mapping&) override { return 0; }
  std::optional<UnwindRow> go_row(ModuleId, ElfAddr pc) override {
    ++rows_asked;
    const bool outermost = pc.value == last || pc.value == last - 1;
    return outermost ? UnwindRow{0, kOutermost, 0, UnwindType::kEnd}
                     : UnwindRow{0, 2, 0, UnwindType::kRsp};
  }
  std::optional<ElfAddr> symbol(ModuleId, std::string_view) override { return std::nullopt; }
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> go_functions(
      ModuleId, std::span<const std::string_view> names) override {
    return std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>>(names.size());
  }

  uint64_t last = 0;
  int rows_asked = 0;

 private:
  ModuleCode x_code;
};

void some_code() {}

class UnwinderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto identity = ProcFs().identify(::getpid());
    ASSERT_TRUE(identity);
    self = *identity;
    code.last = pc + 64;
  }
  StackCopy copy(const std::array<uint64_t, 4>& words, uint64_t sp) const {
    return {pc, sp, {reinterpret_cast<const uint8_t*>(words.data()), sizeof words}};
  }

  TwoWordFrames code;
  Unwinder unwinder{code, ProcFs()};
  ProcessId self;
  const uint64_t pc = reinterpret_cast<uint64_t>(&some_code);
};

TEST_F(UnwinderTest, a_stack_with_the_same_return_addresses_is_not_walked_again) {
  const auto first = unwinder.walk(self, copy({1, pc + 32, 2, code.last}, 0x7000));
  ASSERT_EQ(first.stack.frames.size(), 3U);
  EXPECT_EQ(first.stack.truncated, Truncation::kNone);
  const int asked = code.rows_asked;
  const auto again = unwinder.walk(self, copy({3, pc + 32, 4, code.last}, 0x9000));
  EXPECT_EQ(code.rows_asked, asked);
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.stack.frames, first.stack.frames);
}

TEST_F(UnwinderTest, a_stack_with_another_return_address_has_its_own_frames) {
  const auto first = unwinder.walk(self, copy({1, pc + 32, 2, code.last}, 0x7000));
  const auto other = unwinder.walk(self, copy({1, pc + 40, 2, code.last}, 0x7000));
  EXPECT_NE(other.id, first.id);
  ASSERT_EQ(other.stack.frames.size(), 3U);
  EXPECT_EQ(other.stack.frames[1].address.value, pc + 40);
}

TEST_F(UnwinderTest, a_walk_that_ended_where_the_copy_does_is_made_again_on_a_longer_one) {
  const std::array<uint64_t, 4> words{1, pc + 32, 2, code.last};
  auto part = copy(words, 0x7000);
  part.bytes = part.bytes.first(16);
  EXPECT_EQ(unwinder.walk(self, part).stack.truncated, Truncation::kUnreadable);
  EXPECT_EQ(unwinder.walk(self, copy(words, 0x7000)).stack.truncated, Truncation::kNone);
}

}  // namespace
}  // namespace unclosed
