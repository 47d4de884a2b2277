#include "collect/unwind/expression.h"

#include <gtest/gtest.h>

#include <vector>

namespace unclosed {
namespace {

std::optional<uint64_t> value_of(const std::vector<uint8_t>& code) {
  return evaluate(code, {0x1003, 0x7000, 0x8000}, [](uint64_t at) -> std::optional<uint64_t> {
    if (at != 0x7028) return std::nullopt;
    return 0x9000;
  });
}

TEST(Expression, a_saved_stack_pointer_is_followed) {
  // breg7 40, deref, plus_uconst 8: how hand-written code that realigns its stack tells its CFA.
  EXPECT_EQ(value_of({0x77, 40, 0x06, 0x23, 8}), 0x9008U);
}

TEST(Expression, a_lazy_binding_stub_adds_what_it_pushed) {
  // rsp + 8 + (((pc & 15) >= 3) << 3)
  EXPECT_EQ(value_of({0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x33, 0x2a, 0x33, 0x24, 0x22}), 0x7010U);
}

TEST(Expression, a_negative_offset_is_signed) { EXPECT_EQ(value_of({0x76, 0x70}), 0x7ff0U); }

TEST(Expression, what_cannot_be_known_is_absent) {
  EXPECT_FALSE(value_of({0x73, 0})) << "rbx was not kept";
  EXPECT_FALSE(value_of({0x77, 0, 0x06})) << "memory that was not copied";
  EXPECT_FALSE(value_of({0x77})) << "cut short";
  EXPECT_FALSE(value_of({0x22})) << "nothing to add";
  EXPECT_FALSE(value_of({})) << "empty";
  EXPECT_FALSE(value_of(std::vector<uint8_t>(20, 0x31))) << "deeper than any frame needs";
  EXPECT_FALSE(value_of({0x97})) << "not an operation of frames";
}

}  // namespace
}  // namespace unclosed
