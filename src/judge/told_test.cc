// Accepted connections whose end was given to somebody: who that was has had them last.
#include <gtest/gtest.h>

#include "judge/blame.h"
#include "judge/street.h"

namespace unclosed {
namespace {

constexpr uint64_t kReader = 7, kWriter = 8;

void answer(Street& street, ConnectionFacts& facts, double when, const std::string& path,
            uint64_t by) {
  street.ask(facts, when, path, by);
  facts.last_receive = facts.opened.at;
}

// Served from `when` on, and left by its peer two seconds later.
ConnectionFacts& left(Street& street, double when, const std::string& answered, uint64_t by,
                      const std::string& told) {
  auto& facts = street.open(Kind::kTcp, Role::kServer, when, "main>accept>lib:accept");
  if (!answered.empty()) answer(street, facts, when + 1, answered, by);
  facts.state = TcpState::kCloseWait;
  facts.peer_closed_at = facts.state_since = facts.end_seen_at = Street::at(when + 2);
  facts.told_of_end = Use{street.stack(told), Street::at(when + 2), {100, kReader}};
  return facts;
}

// One that was closed where its end was read.
void closed_well(Street& street, double when, const std::string& answered, const std::string& told,
                 const std::string& closed) {
  auto& facts = left(street, when, answered, kWriter, told);
  facts.id.object += 10'000;
  street.closed(facts, when + 2.01, closed);
}

Finding only_finding(Street& street) {
  const auto judgement = street.judge();
  EXPECT_EQ(judgement.findings.size(), 1U);
  return judgement.findings.empty() ? Finding{} : judgement.findings[0];
}

TEST(Told, who_read_the_end_is_blamed_and_not_who_wrote_last) {
  Street street;
  for (int i = 0; i < 4; ++i) {
    left(street, 1 + i, "go:accept>publish>deliver:9>lib:write", kWriter,
         "go:accept>listen:5>lib:read");
  }
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "listen");
  EXPECT_EQ(finding.blame->site.line, 5U);
  EXPECT_EQ(finding.blame->role, BlameRole::kUsed);
  EXPECT_EQ(finding.blame->rule, Blamer::kToldOfEnd);
  ASSERT_TRUE(finding.told);
  EXPECT_EQ(finding.told->function, "listen");
  EXPECT_EQ(finding.used->function, "deliver");
}

TEST(Told, one_that_answers_and_reads_the_end_is_blamed_at_its_reading) {
  Street street;
  left(street, 1, "main>serve:4>answer>lib:write", kReader, "main>serve:9>read_line>lib:read");
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "serve");
  EXPECT_EQ(finding.blame->site.line, 9U);
  EXPECT_EQ(finding.blame->rule, "common frame of the last request and of being told of the end");
}

TEST(Told, a_reader_that_all_share_gives_way_to_the_function_that_closes_siblings) {
  Street street;
  const std::string told = "main>session:9>read_line>lib:read";
  for (int i = 0; i < 4; ++i) left(street, 1 + i, "", 0, told);
  for (int i = 0; i < 6; ++i) closed_well(street, 10 + i, "", told, "main>session:12>lib:close");
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "session");
  EXPECT_EQ(finding.blame->site.line, 9U);
  EXPECT_TRUE(finding.blame->rule.starts_with("close site")) << finding.blame->rule;
}

TEST(Told, whoever_answered_a_peer_that_had_ended_its_own_side_alone_has_it) {
  Street street;
  auto& facts = left(street, 1, "", 0, "go:accept>listen>lib:read");
  answer(street, facts, 5, "go:accept>compute>answer>lib:write", kWriter);
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "answer");
}

TEST(Told, what_is_sent_to_a_peer_that_is_gone_is_no_answer) {
  Street street;
  auto& facts = left(street, 1, "", 0, "go:accept>listen>lib:read");
  answer(street, facts, 5, "go:accept>publish>deliver>lib:write", kWriter);
  facts.state = TcpState::kClose;  // reset
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "listen");
}

// Where reads are not seen at all.
TEST(Told, who_only_sends_is_not_blamed_where_others_close_siblings) {
  Street street;
  const std::string sends = "go:accept>deliver:9>lib:write";
  const auto unseen = [&](double when) -> ConnectionFacts& {
    auto& facts = left(street, when, sends, kWriter, "lib:read");
    facts.end_seen_at.reset();
    facts.told_of_end.reset();
    return facts;
  };
  for (int i = 0; i < 4; ++i) unseen(1 + i);
  for (int i = 0; i < 6; ++i) {
    auto& facts = unseen(10 + i);
    facts.id.object += 10'000;
    street.closed(facts, 12.01 + i, "go:accept>listen:12>lib:close");
  }
  const auto finding = only_finding(street);
  EXPECT_FALSE(finding.blame);
  EXPECT_NE(finding.no_blame_reason.find("deliver sends on it"), std::string::npos)
      << finding.no_blame_reason;
}

// A helper reads for everybody; whoever called it was told, and waits for something else now.
TEST(Told, the_function_that_waits_with_an_ended_connection_in_hand_is_blamed_and_not_its_helper) {
  Owner owner;
  owner.user = kReader;
  owner.user_now = GoroutineNow{
      kReader, "chan receive", 50.0, NamedFrame{"serve", "/src/app.cc", 36, "app", true}, true,
      false};
  Street street;
  const auto& facts = left(street, 1, "", 0, "go:accept>serve:9>read_line:3>lib:read");
  street.histories.owners[facts.id] = std::make_shared<Owner>(owner);
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site, (Site{"serve", "/src/app.cc", 9}));
}

TEST(Told, where_a_library_reads_the_last_use_tells) {
  Street street;
  left(street, 1, "go:accept>session>lib:write", kWriter, "lib:serve>lib:read");
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "session");
  EXPECT_FALSE(finding.told);
}

}  // namespace
}  // namespace unclosed
