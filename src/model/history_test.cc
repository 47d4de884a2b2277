#include "model/history.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

TEST(DurationHistogram, an_empty_histogram_has_no_quantile) {
  EXPECT_FALSE(DurationHistogram{}.quantile(0.5));
}

TEST(DurationHistogram, a_quantile_is_an_upper_bound_within_a_factor_of_two) {
  DurationHistogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.add(std::chrono::milliseconds(i));
  const auto p99 = histogram.quantile(0.99);
  ASSERT_TRUE(p99);
  EXPECT_GE(*p99, std::chrono::milliseconds(99));
  EXPECT_LE(*p99, std::chrono::milliseconds(200));
}

}  // namespace
}  // namespace unclosed
