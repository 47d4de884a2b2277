#include "collect/unwind/step.h"

#include <gtest/gtest.h>

#include <map>

namespace unclosed {
namespace {

const std::vector<std::vector<uint8_t>> kNoExpressions;

// A stack of which only these words were copied.
ReadWord words(std::map<uint64_t, uint64_t> known) {
  return [known = std::move(known)](uint64_t at) -> std::optional<uint64_t> {
    const auto found = known.find(at);
    if (found == known.end()) return std::nullopt;
    return found->second;
  };
}

TEST(Step, a_row_by_rsp_needs_no_rbp) {
  UnwindRegisters at{0x10, 0x1000, {}};
  EXPECT_FALSE(step(at, words({{0x1018, 0x99}}), {0, 4, 0, UnwindType::kRsp}, 0, kNoExpressions));
  EXPECT_EQ(at.pc, 0x99U);
  EXPECT_EQ(at.sp, 0x1020U);
  EXPECT_FALSE(at.bp);
}

TEST(Step, rbp_is_known_again_where_a_frame_saved_it) {
  UnwindRegisters at{0x10, 0x1000, {}};
  const auto memory = words({{0x1018, 0x99}, {0x1010, 0x2000}});
  EXPECT_FALSE(step(at, memory, {0, 4, 2, UnwindType::kRsp}, 0, kNoExpressions));
  EXPECT_EQ(at.bp, 0x2000U);
}

TEST(Step, a_row_by_rbp_ends_the_walk_where_rbp_is_not_known) {
  UnwindRegisters at{0x10, 0x1000, {}};
  EXPECT_EQ(step(at, words({}), {0, 2, 2, UnwindType::kRbp}, 0, kNoExpressions),
            Truncation::kRegister);
  at = {0x10, 0x1000, {}};
  EXPECT_EQ(step(at, words({}), {0, 0, 0, UnwindType::kFramePointer}, 0, kNoExpressions),
            Truncation::kRegister);
}

TEST(Step, an_rbp_that_is_lost_is_not_taken_for_the_callers) {
  UnwindRegisters at{0x10, 0x1000, 0x3000};
  EXPECT_FALSE(step(at, words({{0x1008, 0x99}}), {0, 2, 255, UnwindType::kRsp}, 0, kNoExpressions));
  EXPECT_FALSE(at.bp);
}

TEST(Step, an_expression_without_rbp_is_believed_only_if_it_does_not_speak_of_rbp) {
  const std::vector<std::vector<uint8_t>> expressions = {{0x77, 0x10},
                                                         {0x76, 0x10}};  // rsp+16, rbp+16
  const auto memory = words({{0x1008, 0x99}, {0x8, 0x98}});
  UnwindRegisters at{0x10, 0x1000, {}};
  EXPECT_FALSE(step(at, memory, {0, 1, 0, UnwindType::kExpression}, 0, expressions));
  EXPECT_EQ(at.pc, 0x99U);
  at = {0x10, 0x1000, {}};
  EXPECT_EQ(step(at, memory, {0, 2, 0, UnwindType::kExpression}, 0, expressions),
            Truncation::kRegister);
}

TEST(Step, the_outermost_frame_ends_a_whole_stack) {
  UnwindRegisters at{0x10, 0x1000, {}};
  EXPECT_EQ(step(at, words({}), {0, kOutermost, 0, UnwindType::kEnd}, 0, kNoExpressions),
            Truncation::kNone);
  EXPECT_EQ(step(at, words({}), {0, 0, 0, UnwindType::kEnd}, 0, kNoExpressions),
            Truncation::kNoTable);
}

}  // namespace
}  // namespace unclosed
