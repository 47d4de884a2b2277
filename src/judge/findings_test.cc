// What a finding says of its members: how many there are of each site.
#include <gtest/gtest.h>

#include "judge/street.h"

namespace unclosed {
namespace {

TEST(Findings, sites_count_all_whom_a_listed_connection_stands_for) {
  Street street;
  street.open(Kind::kFile, Role::kUnknown, 1, "main>load:7>lib:open");
  street.last().stands_for = 50;
  street.open(Kind::kFile, Role::kUnknown, 2, "main>load:9>lib:open");
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.groups.size(), 1U);
  const auto& sites = judgement.groups[0].all_opened;
  ASSERT_EQ(sites.size(), 2U);
  EXPECT_EQ(sites[0].site.line, 7U);
  EXPECT_EQ(sites[0].count, 50U);
  EXPECT_EQ(sites[1].count, 1U);
}

}  // namespace
}  // namespace unclosed
