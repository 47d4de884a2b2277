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

// Two that are left alone and closed at 50 s, the first of them under `closer`.
class LeftToTheEnd : public testing::Test {
 protected:
  void SetUp() override {
    said.note(judgement_of({leaking("v1:a", {1, 2})}), kSaid);
    histories.now = {51'000'000'000};
    closes = {{{1, 1}, kEnd, {}, 7}, {{2, 1}, kEnd, {}, kNoStack}};
  }
  std::vector<Finding> lasted(const char* closer) {
    stacks[7].frames = {{"close", "", 0, "libc.so.6", false, false},
                        {closer, "", 0, "python3.11", false, false}};
    return said.lasted(last, histories, closes, stacks);
  }
  static constexpr Instant kEnd{50'000'000'000};
  SaidLeaking said;
  Judgement last;
  Histories histories;
  std::vector<LastClose> closes;
  StackBook stacks;
};

TEST_F(LeftToTheEnd, what_an_interpreter_closed_as_it_went_is_a_leak_still) {
  const auto findings = lasted("Py_FinalizeEx");
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].verdict, Verdict::kLeaking);
  EXPECT_EQ(findings[0].evidence.back().kind, "lasted-to-the-end");
  last.findings = findings;
  EXPECT_TRUE(said.taken_back(last, histories).empty());
}

TEST_F(LeftToTheEnd, what_the_program_closed_before_it_ended_is_none) {
  EXPECT_TRUE(lasted("sock_close").empty());
}

TEST_F(LeftToTheEnd, closers_that_nobody_saw_do_not_tell) {
  closes[0].by = kNoStack;
  EXPECT_TRUE(lasted("Py_FinalizeEx").empty());
}

TEST_F(LeftToTheEnd, what_was_used_again_or_closed_earlier_is_none) {
  closes[1].used = Instant{45'000'000'000};
  EXPECT_TRUE(lasted("Py_FinalizeEx").empty());
  closes.pop_back();
  EXPECT_TRUE(lasted("Py_FinalizeEx").empty());
}

TEST_F(LeftToTheEnd, what_a_later_judgement_did_not_say_any_more_is_none) {
  said.note({}, Instant{45'000'000'000});
  EXPECT_TRUE(lasted("Py_FinalizeEx").empty());
}

TEST_F(LeftToTheEnd, a_judgement_between_the_closes_and_the_end_changes_nothing) {
  said.note({}, kEnd + std::chrono::milliseconds(1));
  EXPECT_EQ(lasted("Py_FinalizeEx").size(), 1U);
}

TEST(LastCloses, only_those_of_the_last_moment_of_a_process_count) {
  struct Nowhere final : RecordSink {
    void accept(const Record&) override {}
  } nowhere;
  LastCloses closes(nowhere);
  for (const int64_t ms : {100, 1100, 1800, 2000}) {
    Closed closed;
    closed.at = {ms * 1'000'000};
    closes.accept(closed);
  }
  EXPECT_EQ(closes.before({2'900'000'000}).size(), 3U);
  EXPECT_TRUE(closes.before({3'100'000'000}).empty());
}

}  // namespace
}  // namespace unclosed
