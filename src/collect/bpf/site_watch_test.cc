#include "collect/bpf/site_watch.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

std::vector<SiteWatch::Change> scan(SiteWatch& watch, uint16_t site, int unused) {
  for (int i = 0; i < unused; ++i) watch.unused(site);
  return watch.end_scan();
}

TEST(SiteWatch, a_site_whose_unused_connections_grow_is_watched) {
  SiteWatch watch;
  EXPECT_TRUE(scan(watch, 7, 1).empty());
  EXPECT_TRUE(scan(watch, 7, 2).empty());
  const auto changes = scan(watch, 7, 4);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].site, 7);
  EXPECT_TRUE(changes[0].watched);
}

TEST(SiteWatch, a_slow_leak_may_pause_between_two_scans) {
  SiteWatch watch;
  size_t changes = 0;
  for (const int unused : {1, 1, 2, 2, 2, 3}) changes += scan(watch, 7, unused).size();
  EXPECT_EQ(changes, 1U);
}

TEST(SiteWatch, a_pool_of_constant_size_is_not_watched) {
  SiteWatch watch;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(scan(watch, 7, 50).empty());
}

TEST(SiteWatch, a_pool_that_breathes_is_not_watched) {
  SiteWatch watch;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(scan(watch, 7, i % 2 ? 50 : 49).empty());
}

TEST(SiteWatch, a_site_that_grew_once_is_forgotten_after_a_while) {
  SiteWatch watch;
  for (const int unused : {1, 2, 3}) scan(watch, 7, unused);
  size_t changes = 0;
  for (int i = 0; i < 40; ++i) changes += scan(watch, 7, 3).size();
  EXPECT_EQ(changes, 1U);
}

TEST(SiteWatch, a_connection_without_a_site_counts_for_none) {
  SiteWatch watch;
  for (const int unused : {1, 2, 3, 4}) EXPECT_TRUE(scan(watch, 0, unused).empty());
}

}  // namespace
}  // namespace unclosed
