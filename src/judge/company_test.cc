// What the company of a connection tells: silent clients among lively ones, pairs of accepted and
// dialled ones, siblings that all live to the same age.
#include <gtest/gtest.h>

#include "judge/street.h"

namespace unclosed {
namespace {

const char* const kAccept = "main>accept>lib:accept";
constexpr auto kTcp = Kind::kTcp;

// A client that asks every half second, four times.
ConnectionFacts& visitor(Street& street, double when, const std::string& answer) {
  auto& facts = street.open(kTcp, Role::kServer, when, kAccept);
  for (int i = 0; i < 4; ++i) street.ask(facts, when + 0.1 + 0.5 * i, answer);
  facts.last_receive = *facts.last_send - std::chrono::milliseconds(1);
  facts.longest_idle_gap = std::chrono::milliseconds(500);
  return facts;
}

// Visitors of whom one in four says nothing more, and the others say goodbye.
enum class KeepAlive { kOff, kOn };
Street port(const std::string& goodbyes_of, KeepAlive keep_alive) {
  Street street;
  street.policy = Policy{}.scaled(0.1);
  for (int i = 0; i < 80; ++i) {
    const double when = 0.5 + 0.5 * i;
    if (i % 4 == 0) {
      visitor(street, when, "main>device>lib:write").keepalive = keep_alive == KeepAlive::kOn;
    } else {
      auto& facts = visitor(street, when, goodbyes_of);
      facts.id.object += 10'000;
      street.closed(facts, when + 1.8, goodbyes_of);
    }
  }
  return street;
}

TEST(Silence, clients_that_fall_silent_among_those_who_say_goodbye_have_vanished) {
  const auto judgement = port("main>device>lib:write", KeepAlive::kOff).judge();
  ASSERT_TRUE(find(judgement, "peer-vanished"));
  EXPECT_EQ(judgement.findings[0].blame->site.function, "device");
}

TEST(Silence, with_keep_alive_the_kernel_asks_and_ends_them) {
  EXPECT_TRUE(port("main>device>lib:write", KeepAlive::kOn).judge().findings.empty());
}

TEST(Silence, a_protocol_in_which_nobody_says_goodbye_is_quiet) {
  EXPECT_TRUE(port("main>page>lib:write", KeepAlive::kOff).judge().findings.empty());
}

// A proxy's connections, two seconds apart; the clients of the first `gone` have left.
Street proxy(int gone) {
  Street street;
  for (int i = 0; i < 28; ++i) {
    auto& client = street.open(kTcp, Role::kServer, 1 + 2 * i, kAccept);
    street.ask(client, 1.1 + 2 * i, "main>relay>lib:write");
    client.last_receive = *client.last_send - std::chrono::milliseconds(1);
    if (i < gone) {
      client.id.object += 10'000;
      street.closed(client, 4 + 2 * i, "main>relay>lib:close");
    }
    auto& behind = street.open(kTcp, Role::kClient, 1.01 + 2 * i, "main>relay>lib:connect");
    behind.id.object += 20'000;
    street.ask(behind, 1.1 + 2 * i, "main>relay>lib:write");
  }
  return street;
}

TEST(Pairs, what_was_dialled_for_a_client_that_is_still_there_is_not_left_alone) {
  EXPECT_TRUE(proxy(0).judge().findings.empty());
}

TEST(Pairs, what_outlives_its_client_is) {
  const auto judgement = proxy(26).judge();
  ASSERT_TRUE(find(judgement, "passed-over"));
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
}

// Leases of five seconds; one in `leaks` is not given up.
Street leases(int leaks, double shortest) {
  Street street;
  for (int i = 0; i < 118; ++i) {
    const double when = 0.3 + 0.5 * i;
    auto& facts =
        street.open(Kind::kTimerfd, Role::kUnknown, when, "main>lease>lib:timerfd_create");
    const double end = when + (i % 2 == 0 ? shortest : 5);
    if (i % leaks == 0 || end > 60) continue;
    facts.id.object += 10'000;
    street.closed(facts, end, "main>lease>lib:close");
  }
  return street;
}

TEST(Lifetimes, where_all_die_at_one_age_twice_that_age_stands_out) {
  const auto judgement = leases(8, 5).judge();
  ASSERT_TRUE(find(judgement, "outlives-siblings"));
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
}

TEST(Lifetimes, where_none_outlives_the_band_nothing_is_found) {
  EXPECT_TRUE(leases(100'000, 5).judge().findings.empty());
}

TEST(Lifetimes, where_ages_differ_twice_the_age_is_nothing) {
  EXPECT_FALSE(find(leases(8, 0.1).judge(), "outlives-siblings"));
}

// Events that came after the answer, and that nobody reads: of older ones it is not known that
// nobody had asked for them.
TEST(Older, those_with_unread_events_are_the_same_leak_as_traced_ones_with_events) {
  Street street;
  for (int i = 0; i < 10; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, 1 + 3 * i, "main>poll>lib:connect");
    facts.id.object += static_cast<uint64_t>(i) * 100;
    street.ask(facts, 1.1 + 3 * i, "main>poll>lib:write", 7);
    facts.recv_queue = 40;
    street.last().unread_unasked = true;
  }
  for (int i = 0; i < 4; ++i) {
    auto& facts = street.open(Kind::kTcp, Role::kClient, -1, "");
    facts.recv_queue = 100;
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_EQ(judgement.findings[0].older_matched, 4U);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "poll");
}

}  // namespace
}  // namespace unclosed
