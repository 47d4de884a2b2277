#include "judge/limits.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "judge/street.h"

namespace unclosed {
namespace {

UseCourse course(const std::function<uint64_t(int)>& used) {
  UseCourse points;
  for (int second = 0; second <= 60; ++second) {
    points.emplace_back(Street::at(second), used(second));
  }
  return points;
}

TEST(Limits, a_steady_growth_has_a_slope_that_bursts_do_not_bend) {
  const auto slope =
      growing_slope(course([](int t) { return 100 + 2U * t + (t % 10 == 3 ? 80 : 0); }));
  ASSERT_TRUE(slope);
  EXPECT_NEAR(*slope, 2, 0.3);
}

TEST(Limits, what_goes_up_and_down_does_not_grow) {
  EXPECT_FALSE(growing_slope(course([](int t) { return 100U + (t * 37) % 20; })));
}

TEST(Limits, a_filling_that_has_ended_does_not_grow) {
  EXPECT_FALSE(growing_slope(course([](int t) { return 100U + std::min(t, 20); })));
}

Limit one_limit(Street& street, uint64_t used, uint64_t max) {
  street.histories.limits = {{"nofile", {100, 5}, used, max}};
  const auto judgement = street.judge();
  EXPECT_EQ(judgement.limits.size(), 1U);
  return judgement.limits.at(0);
}

TEST(Limits, of_ended_processes_are_left_out_unless_all_have_ended) {
  Street street;
  street.histories.limits = {{"nofile", {99, 4}, 9, 180}, {"nofile", {100, 5}, 80, 180}};
  street.histories.ended[{99, 4}] = Street::at(20);
  auto limits = street.judge().limits;
  ASSERT_EQ(limits.size(), 1U);
  EXPECT_EQ(limits[0].use.process.pid, 100);
  street.histories.ended[{100, 5}] = Street::at(50);
  EXPECT_EQ(street.judge().limits.size(), 2U);
}

TEST(Limits, a_leak_counts_down) {
  Street street;
  for (int i = 0; i < 60; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 0.5 + i, "main>leaky>lib:connect");
    street.ask(facts, 0.6 + i, "main>leaky>lib:write");
  }
  street.histories.used_course[{100, 5}] = course([](int t) { return 20U + t; });
  const auto limit = one_limit(street, 80, 180);
  ASSERT_TRUE(limit.exhausted_in_seconds);
  EXPECT_NEAR(*limit.exhausted_in_seconds, 100, 5);
  EXPECT_EQ(limit.diagnosis, Diagnosis::kLeak);
}

TEST(Limits, a_limit_that_is_reached_by_busy_connections_is_too_small) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>list>lib:connect");
    street.ask(facts, 59, "main>list>lib:write");
    facts.longest_idle_gap = std::chrono::milliseconds(400);
  }
  street.histories.failures = {{Street::at(59), {100, 5}, Attempt::kSocket, EMFILE, 1, 50, {}}};
  const auto limit = one_limit(street, 20, 20);
  EXPECT_EQ(limit.exhausted_in_seconds, 0.0);
  EXPECT_EQ(limit.diagnosis, Diagnosis::kLimitTooSmall);
}

TEST(Limits, a_limit_that_is_reached_by_unanswered_requests_is_a_slow_peer) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>quote>lib:connect");
    facts.last_send = Street::at(5);
    facts.bytes_sent = 10;
  }
  street.histories.failures = {{Street::at(59), {100, 5}, Attempt::kSocket, EMFILE, 1, 50, {}}};
  EXPECT_EQ(one_limit(street, 20, 20).diagnosis, Diagnosis::kSlow);
  const auto judgement = judge(street.histories, street.book, street.policy);
  EXPECT_TRUE(judgement.findings.empty());
  EXPECT_EQ(judgement.groups.at(0).diagnosis, Diagnosis::kSlow);
}

TEST(Limits, a_limit_that_is_reached_by_abandoned_ones_is_a_leak_without_a_countdown) {
  Street street;
  for (int i = 0; i < 20; ++i) street.open(Kind::kTcp, Role::kClient, -1, "");
  street.histories.failures = {{Street::at(59), {100, 5}, Attempt::kSocket, EMFILE, 1, 50, {}}};
  const auto limit = one_limit(street, 20, 20);
  EXPECT_EQ(limit.exhausted_in_seconds, 0.0);
  EXPECT_EQ(limit.diagnosis, Diagnosis::kLeak);
}

TEST(Limits, one_that_is_far_and_does_not_grow_says_nothing) {
  Street street;
  street.open(Kind::kTcp, Role::kClient, 1, "main>list>lib:connect");
  street.histories.used_course[{100, 5}] = course([](int) { return 20U; });
  const auto limit = one_limit(street, 20, 1024);
  EXPECT_FALSE(limit.exhausted_in_seconds);
  EXPECT_EQ(limit.diagnosis, Diagnosis::kUnknown);
}

// Four, older than the attach, asked by one caller after the other.
Diagnosis diagnosis_of_four(double rest) {
  Street street;
  for (int i = 0; i < 4; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kUnknown, -1, "");
    for (int n = 0; n < 60; ++n) {
      street.ask(facts, n + 0.9, "main>list>lib:write", 100U + static_cast<uint64_t>(n));
      ++facts.tenure_count;
    }
    facts.longest_idle_gap = from_seconds(rest);
  }
  const auto judgement = street.judge();
  EXPECT_TRUE(judgement.findings.empty());
  return judgement.groups.at(0).diagnosis;
}

TEST(Diagnosis, a_pool_whose_connections_are_handed_on_at_once_is_too_small) {
  EXPECT_EQ(diagnosis_of_four(0.01), Diagnosis::kLimitTooSmall);
}

TEST(Diagnosis, a_pool_whose_connections_rest_at_times_is_large_enough) {
  EXPECT_EQ(diagnosis_of_four(0.6), Diagnosis::kUnknown);
}

LimitUse ports(uint64_t used, uint64_t time_wait, const std::string& peer = "10.0.0.3:5432") {
  return {"local-ports", {100, 5}, used, 1000, peer, "10.0.0.2", time_wait};
}

std::vector<LimitPoint> ports_course(const std::function<uint64_t(int)>& used,
                                     const std::function<uint64_t(int)>& time_wait) {
  std::vector<LimitPoint> points;
  for (int second = 0; second <= 60; ++second) {
    points.push_back({Street::at(second), used(second), time_wait(second)});
  }
  return points;
}

TEST(Limits, local_ports_to_a_destination_count_down_by_their_own_course) {
  Street street;
  for (int i = 0; i < 60; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 0.5 + i, "main>leaky>lib:connect");
    street.ask(facts, 0.6 + i, "main>leaky>lib:write");
  }
  street.histories.limits = {ports(400, 0)};
  street.histories.limit_course[ports(0, 0).key()] =
      ports_course([](int t) { return 100U + 5U * t; }, [](int) { return 0U; });
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.limits.size(), 1U);
  ASSERT_TRUE(judgement.limits[0].exhausted_in_seconds);
  EXPECT_NEAR(*judgement.limits[0].exhausted_in_seconds, 120, 5);
  EXPECT_EQ(judgement.limits[0].diagnosis, Diagnosis::kLeak);
}

// Of 1,000, each closed at once and waiting since: so many are used, and what is said of the rest.
std::optional<double> ports_left(uint64_t each_second, int seconds = 60) {
  Street street;
  auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>fetch>lib:connect");
  street.ask(facts, 59, "main>fetch>lib:write");
  const auto waiting = [&](int t) { return each_second * t; };
  const auto used = [&](int t) { return each_second * t + 2; };
  street.histories.limits = {ports(used(seconds), waiting(seconds))};
  auto course = ports_course(used, waiting);
  course.resize(static_cast<size_t>(seconds) + 1);
  street.histories.limit_course[ports(0, 0).key()] = course;
  return street.judge().limits.at(0).exhausted_in_seconds;
}

TEST(Limits, ports_that_come_back_in_time_are_not_counted_down) {
  EXPECT_FALSE(ports_left(5));
  EXPECT_FALSE(ports_left(15));  // 902 of 1,000, and no more
}

TEST(Limits, ports_that_do_not_come_back_in_time_are_counted_down) {
  const auto soon = ports_left(18, 50);
  ASSERT_TRUE(soon);
  EXPECT_NEAR(*soon, 5.5, 1);
}

TEST(Limits, ports_in_time_wait_are_taken_by_closed_connections_and_leak_nothing) {
  Street street;
  auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>fetch>lib:connect");
  street.ask(facts, 59, "main>fetch>lib:write");
  street.histories.limits = {ports(1000, 990)};
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.limits.size(), 1U);
  EXPECT_EQ(judgement.limits[0].exhausted_in_seconds, 0);
  EXPECT_EQ(judgement.limits[0].diagnosis, Diagnosis::kLimitTooSmall);
}

TEST(Limits, ports_to_destinations_of_other_processes_are_not_ours) {
  Street street;
  auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>fetch>lib:connect");
  street.ask(facts, 59, "main>fetch>lib:write");
  street.histories.limits = {ports(900, 0, "10.0.0.9:80")};
  EXPECT_TRUE(street.judge().limits.empty());
}

TEST(Limits, ports_used_up_by_idle_ones_are_a_leak_whoever_is_accepted_beside) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "main>leaky>lib:connect");
    street.ask(facts, 2, "main>leaky>lib:write");
    street.ask(street.open(Kind::kTcp, Role::kServer, 9, "main>lib:accept"), 59, "main>lib:write");
  }
  street.histories.limits = {ports(1000, 0)};
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.limits.size(), 1U);
  EXPECT_EQ(judgement.limits[0].diagnosis, Diagnosis::kLeak);
}

// What a pool has lent is one reading: only what leaks of it says why it is used up.
TEST(Limits, a_pool_that_is_lent_out_is_called_leaking_only_where_a_finding_has_its_connections) {
  for (const bool mine : {true, false}) {
    Street street;
    for (int i = 0; i < 6; ++i) {
      auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 3 * i, "main>fetch>lib:connect");
      facts.id.object += static_cast<uint64_t>(i) * 100;
      street.ask(facts, 1.1 + 3 * i, "main>fetch>lib:write");
      facts.recv_queue = 100;
    }
    LimitUse pool{"pool", {100, 5}, 6, 6};
    for (const auto& history : street.histories.open) {
      pool.lent.push_back(history.descriptors[0].fd + (mine ? 0 : 5000));
    }
    pool.waits = 12;
    street.histories.limits = {pool};
    const auto judgement = street.judge();
    ASSERT_EQ(judgement.findings.size(), 1U);
    ASSERT_EQ(judgement.limits.size(), 1U);
    EXPECT_EQ(judgement.limits[0].diagnosis, mine ? Diagnosis::kLeak : Diagnosis::kUnknown);
    EXPECT_EQ(judgement.limits[0].exhausted_in_seconds.has_value(), mine);
  }
}

TEST(Limits, a_pool_for_each_request_is_one_limit_with_their_number) {
  Street street;
  LimitUse pool{"pool", {100, 5}, 0, 2};
  pool.peer = "10.0.0.7:5432";
  pool.idle = 1;
  street.histories.limits.assign(1000, pool);
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.limits.size(), 1U);
  EXPECT_EQ(judgement.limits[0].use.pools, 1000U);
  EXPECT_EQ(judgement.limits[0].use.idle, 1000U);
  EXPECT_FALSE(judgement.limits[0].exhausted_in_seconds);
}

}  // namespace
}  // namespace unclosed
