#include "judge/fingerprint.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

TEST(Fingerprint, what_a_compiler_numbers_is_left_out) {
  EXPECT_EQ(normalized_function("main.(*Server).handle.func1.2"), "main.(*Server).handle");
  EXPECT_EQ(normalized_function("main.run.gowrap1"), "main.run");
  EXPECT_EQ(normalized_function("main.Map[...].Get"), "main.Map.Get");
  EXPECT_EQ(normalized_function("main.(*T).M-fm"), "main.(*T).M");
  EXPECT_EQ(normalized_function("Pool<Conn, std::less<int>>::take"), "Pool::take");
  EXPECT_EQ(normalized_function("app::serve::h0123456789abcdef"), "app::serve");
  EXPECT_EQ(normalized_function("parse_job.cold"), "parse_job");
  EXPECT_EQ(normalized_function("parse_job.part.0"), "parse_job");
}

TEST(Fingerprint, names_that_only_look_alike_are_kept) {
  EXPECT_EQ(normalized_function("operator<<"), "operator<<");
  EXPECT_EQ(normalized_function("ns::T::operator->"), "ns::T::operator->");
  EXPECT_EQ(normalized_function("main.func_table"), "main.func_table");
  EXPECT_EQ(normalized_function("<app::T as core::Drop>::drop"), "<app::T as core::Drop>::drop");
}

TEST(Fingerprint, it_has_the_promised_form_and_tells_roles_and_kinds_apart) {
  const auto one = fingerprint("used", "tcp", {"main.leaky"});
  EXPECT_EQ(one.size(), 11U);
  EXPECT_TRUE(one.starts_with("v1:"));
  EXPECT_EQ(one, fingerprint("used", "tcp", {"main.leaky.func3"}));
  EXPECT_NE(one, fingerprint("opened", "tcp", {"main.leaky"}));
  EXPECT_NE(one, fingerprint("used", "unix", {"main.leaky"}));
  EXPECT_NE(one, fingerprint("used", "tcp", {"main.other"}));
}

}  // namespace
}  // namespace unclosed
