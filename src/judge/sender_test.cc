#include "judge/sender.h"

#include <gtest/gtest.h>

#include "judge/street.h"

namespace unclosed {
namespace {

TEST(Sender, a_function_is_at_home_in_its_package_class_or_namespace) {
  EXPECT_EQ(home_of("shop.test/go-tunnel/tunnel.(*Session).write"), "shop.test/go-tunnel/tunnel.");
  EXPECT_EQ(home_of("main.(*tenants).audit"), "main.");
  EXPECT_EQ(home_of("tunnel::Session::write(std::string const&)"), "tunnel::Session::");
  EXPECT_EQ(home_of("write"), "");
}

// A session whose goroutine sends, and whose other goroutine reads.
ConnectionFacts& session(Street& street, double when, const std::string& opened) {
  auto& facts = street.open(Kind::kTcp, Role::kClient, when, opened);
  facts.opened.by = {100, 1};
  street.ask(facts, when + 0.1, "tunnel.(*Session).write>lib:write", 50);
  facts.tenure_count = 1;
  facts.first_receive =
      Use{street.stack("tunnel.(*Session).read>lib:read"), Street::at(when + 0.1), {100, 51}};
  return facts;
}

TEST(Sender, whoever_opened_a_multiplexer_is_blamed_and_not_its_writer) {
  Street street;
  for (int i = 0; i < 20; ++i) session(street, 1 + 2.5 * i, "main.audit>tunnel.Dial>lib:connect");
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "main.audit");
  EXPECT_EQ(judgement.findings[0].blame->role, BlameRole::kOpened);
}

TEST(Sender, where_the_opening_shows_nobody_else_there_is_no_blame) {
  Street street;
  for (int i = 0; i < 20; ++i)
    session(street, 1 + 2.5 * i, "tunnel.Refill>tunnel.Dial>lib:connect");
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_FALSE(judgement.findings[0].blame);
  EXPECT_NE(judgement.findings[0].no_blame_reason.find("tunnel.(*Session).write sends for others"),
            std::string::npos);
}

TEST(Sender, a_goroutine_that_asks_and_reads_for_itself_is_blamed) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = session(street, 1 + 2.5 * i, "main.start>tunnel.Dial>lib:connect");
    facts.first_receive->by = facts.tenure->by;
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "tunnel.(*Session).write");
}

}  // namespace
}  // namespace unclosed
