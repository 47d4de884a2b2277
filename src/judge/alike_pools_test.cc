#include "judge/alike_pools.h"

#include <gtest/gtest.h>

#include <string>

namespace unclosed {
namespace {

LimitUse pool(uint64_t used, std::optional<uint64_t> max, const std::string& peer,
              std::vector<int> lent = {}) {
  LimitUse use{"pool", {100, 5}, used, max, peer};
  use.lent = std::move(lent);
  return use;
}

TEST(AlikePools, a_thousand_alike_are_one_with_their_sums) {
  std::vector<LimitUse> uses = {{"nofile", {100, 5}, 1010, 20000}};
  for (int i = 0; i < 1000; ++i) {
    uses.push_back(pool(1, 2, "10.0.0.7:5432", {10 + i}));
    uses.back().idle = 1;
    uses.back().waits = 3;
  }
  const auto joined = join_alike_pools(uses);
  ASSERT_EQ(joined.size(), 2U);
  EXPECT_EQ(joined[0].name, "nofile");
  const LimitUse& all = joined[1];
  EXPECT_EQ(all.pools, 1000U);
  EXPECT_EQ(all.used, 1000U);
  EXPECT_EQ(all.max, 2000U);
  EXPECT_EQ(all.idle, 1000U);
  EXPECT_EQ(all.waits, 3000U);
  EXPECT_EQ(all.peer, "10.0.0.7:5432");
  EXPECT_EQ(all.lent.size(), 1000U);
}

TEST(AlikePools, those_of_other_servers_bounds_or_processes_and_exhausted_ones_stay_apart) {
  std::vector<LimitUse> uses = {pool(1, 2, "a:1"), pool(1, 2, "b:1"), pool(1, {}, "a:1"),
                                pool(2, 2, "a:1"), pool(0, 2, "a:1")};
  uses.push_back(pool(1, 2, "a:1"));
  uses.back().process = {200, 7};
  const auto joined = join_alike_pools(uses);
  ASSERT_EQ(joined.size(), 5U);
  EXPECT_EQ(joined[0].pools, 2U);
  EXPECT_EQ(joined[3].pools, 1U);
  EXPECT_EQ(joined[3].used, 2U);
  EXPECT_EQ(joined[4].process.pid, 200);
}

TEST(AlikePools, beyond_a_bound_all_kinds_are_told_together_and_exhausted_ones_stay) {
  std::vector<LimitUse> uses;
  for (int i = 0; i < 500; ++i) uses.push_back(pool(1, 10, "10.0.0.1:" + std::to_string(5000 + i)));
  uses[400] = pool(10, 10, "full:1");
  const auto joined = join_alike_pools(uses);
  ASSERT_EQ(joined.size(), kMostPoolKinds);
  uint64_t pools = 0;
  bool full = false;
  for (const LimitUse& use : joined) {
    pools += use.pools;
    full = full || use.peer == "full:1";
  }
  EXPECT_EQ(pools, 500U);
  EXPECT_TRUE(full);
  EXPECT_EQ(joined.back().peer, "");
  EXPECT_EQ(joined.back().pools, 500 - kMostPoolKinds + 1);
}

TEST(AlikePools, one_pool_stays_as_it_is) {
  const auto joined = join_alike_pools({pool(3, 5, "a:1", {7, 8, 9})});
  ASSERT_EQ(joined.size(), 1U);
  EXPECT_EQ(joined[0].pools, 1U);
  EXPECT_EQ(joined[0].lent, (std::vector<int>{7, 8, 9}));
}

}  // namespace
}  // namespace unclosed
