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

TEST(Sender, who_opened_it_at_home_is_blamed_where_siblings_are_closed) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = session(street, 0.5 + 2.5 * i, "tunnel.handle>tunnel.dial>lib:connect");
    street.closed(facts, 0.9 + 2.5 * i, "tunnel.handle>lib:close");
  }
  for (int i = 0; i < 20; ++i)
    session(street, 1 + 2.5 * i, "tunnel.handle:36>tunnel.dial>lib:connect");
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "tunnel.handle");
  EXPECT_EQ(judgement.findings[0].blame->site.line, 36U);
}

TEST(Sender, who_dials_without_a_helper_at_home_is_blamed_too) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = session(street, 0.5 + 2.5 * i, "tunnel.handle>lib:connect");
    street.closed(facts, 0.9 + 2.5 * i, "tunnel.handle>lib:close");
  }
  for (int i = 0; i < 20; ++i) session(street, 1 + 2.5 * i, "tunnel.handle:36>lib:connect");
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "tunnel.handle");
}

// A transport whose dialler and whose connections are the user's own, as they count bytes.
ConnectionFacts& counted(Street& street, double when) {
  auto& facts =
      street.open(Kind::kTcp, Role::kClient, when,
                  "lib:goexit>lib:net/http.(*Transport).dialConnFor>main.dial>lib:connect");
  facts.opened.by = {100, 1};
  street.ask(
      facts, when + 0.1,
      "lib:goexit>lib:net/http.(*persistConn).writeLoop>main.(*counted).Write>lib:write", 50);
  facts.tenure_count = 1;
  return facts;
}

TEST(Sender, own_code_that_a_library_calls_to_dial_and_send_stands_for_nobody) {
  Street street;
  for (int i = 0; i < 20; ++i) counted(street, 1 + 2.5 * i);
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_FALSE(judgement.findings[0].blame);
  EXPECT_NE(judgement.findings[0].no_blame_reason.find("a library opens and uses it"),
            std::string::npos);
}

TEST(Sender, a_dialler_that_fails_behind_its_own_dial_is_blamed) {
  Street street;
  const std::string dialled = "lib:goexit>lib:net/http.(*Transport).dialConnFor>main.dial";
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 2.5 * i, dialled + ">lib:connect");
    street.ask(facts, 1.1 + 2.5 * i, dialled + ">main.greet>lib:write", 50U + i);
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_TRUE(judgement.findings[0].blame->site.function.starts_with("main."));
}

TEST(Sender, an_interpreter_is_said_to_be_one) {
  Street street;
  for (int i = 0; i < 20; ++i) counted(street, 1 + 2.5 * i);
  street.histories.processes[{100, 5}].exe = "/usr/bin/python3.11";
  street.histories.processes[{100, 5}].runtime = "python3.11";
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  const std::string& reason = judgement.findings[0].no_blame_reason;
  EXPECT_NE(reason.find("the interpreter's own frames"), std::string::npos);
  EXPECT_NE(reason.find("ResourceWarning"), std::string::npos);
}

TEST(Sender, whoever_was_handed_a_connection_that_counts_its_bytes_is_blamed) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = counted(street, 1 + 2.5 * i);
    facts.borrowed[0] = Use{street.stack("main.quote>main.get>lib:roundTrip"),
                            Street::at(1 + 2.5 * i), {100, 7}};
    facts.borrowed_times = {1, 0, 0};
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->role, BlameRole::kBorrowed);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "main.get");
}

// One is asked well, and its answer's body closed by who asked; the others are not.
TEST(Sender, who_hands_back_on_one_path_is_blamed_for_the_other) {
  Street street;
  for (int i = 0; i < 4; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "lib:dialConnFor>lib:connect");
    street.borrow(facts, 50 + i, "main.serve>main.quote:47>main.get", 9);
    facts.returned =
        Use{street.stack("main.serve>main.quote:60>lib:Close"), Street::at(50.1 + i), {100, 9}};
    facts.last_receive = Street::at(59);
  }
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 2 * i, "lib:dialConnFor>lib:connect");
    street.borrow(facts, 1.1 + 2 * i, "main.serve>main.quote:47>main.get", 100U + i);
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "main.quote");
  EXPECT_EQ(judgement.findings[0].blame->site.line, 47U);
}

// The hand-backs of a busy service are watched for a while. What was handed out later is taken to
// be as what was handed out then under the same stack: here, handed back.
TEST(Sender, what_nobody_watched_any_more_is_as_what_was_watched) {
  Street street;
  for (int i = 0; i < 4; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1, "lib:dialConnFor>lib:connect");
    for (int n = 0; n < 5; ++n) street.borrow(facts, 50 + n + 0.1 * i, "main.ship>main.post:46", 9);
    facts.last_receive = Street::at(59);
  }
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 2 * i, "lib:dialConnFor>lib:connect");
    street.borrow(facts, 1.1 + 2 * i, "main.refund>main.post:46", 100U + i);
    if (i < 10)
      facts.returned = Use{street.stack("main.refund>main.post:52>lib:Close"),
                           Street::at(1.2 + 2 * i), {100, 100U + i}};
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  ASSERT_TRUE(judgement.findings[0].blame);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "main.refund");
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
