#include "judge/said_leaking.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

constexpr Instant kSaid{40'000'000'000};

Finding leaking(const char* fingerprint, std::initializer_list<uint64_t> objects) {
  Finding finding;
  finding.fingerprint = fingerprint;
  finding.verdict = Verdict::kLeaking;
  finding.count = objects.size();
  for (const uint64_t object : objects) {
    finding.connections.emplace_back();
    finding.connections.back().id = {object, 1};
  }
  return finding;
}

History open_since_then(uint64_t object, std::optional<Instant> last_send) {
  History history;
  history.facts.id = {object, 1};
  history.facts.last_send = last_send;
  return history;
}

Judgement judgement_of(std::initializer_list<Finding> findings) {
  Judgement judgement;
  judgement.findings = findings;
  return judgement;
}

TEST(SaidLeaking, a_verdict_that_holds_is_not_taken_back) {
  SaidLeaking said;
  said.note(judgement_of({leaking("v1:a", {1, 2})}), kSaid);
  EXPECT_TRUE(said.taken_back(judgement_of({leaking("v1:a", {1, 2, 3})}), {}).empty());
}

TEST(SaidLeaking, what_became_of_the_connections_is_told) {
  SaidLeaking said;
  said.note(judgement_of({leaking("v1:a", {1, 2, 3})}), kSaid);
  Histories histories;
  histories.open = {open_since_then(1, Instant{50'000'000'000}),
                    open_since_then(2, Instant{10'000'000'000})};
  const auto taken = said.taken_back({}, histories);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].fingerprint, "v1:a");
  EXPECT_EQ(taken[0].said_at, kSaid);
  EXPECT_EQ(taken[0].count, 3u);
  EXPECT_EQ(taken[0].used_again, 1u);
  EXPECT_EQ(taken[0].closed, 1u);
  EXPECT_EQ(taken[0].now, Verdict::kHealthy);
}

TEST(SaidLeaking, less_evidence_than_before_is_said_too) {
  SaidLeaking said;
  said.note(judgement_of({leaking("v1:a", {1, 2})}), kSaid);
  Finding weaker = leaking("v1:a", {1, 2});
  weaker.verdict = Verdict::kSuspect;
  const auto taken = said.taken_back(judgement_of({weaker}), {});
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].now, Verdict::kSuspect);
}

TEST(SaidLeaking, the_same_connections_under_another_line_are_still_leaking) {
  SaidLeaking said;
  said.note(judgement_of({leaking("v1:a", {1, 2, 3})}), kSaid);
  EXPECT_TRUE(said.taken_back(judgement_of({leaking("v1:b", {1, 2, 9})}), {}).empty());
  EXPECT_EQ(said.taken_back(judgement_of({leaking("v1:b", {1, 8, 9})}), {}).size(), 1u);
}

TEST(SaidLeaking, a_suspicion_is_no_verdict_to_take_back) {
  SaidLeaking said;
  Finding suspect = leaking("v1:a", {1});
  suspect.verdict = Verdict::kSuspect;
  said.note(judgement_of({suspect}), kSaid);
  EXPECT_TRUE(said.taken_back({}, {}).empty());
}

}  // namespace
}  // namespace unclosed
