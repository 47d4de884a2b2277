// Evidence of growth and of ways to close, each on a history that leaks and on its healthy
// counterpart.
#include <gtest/gtest.h>

#include <algorithm>

#include "judge/evidence/evidence.h"
#include "judge/street.h"

namespace unclosed {
namespace {

constexpr Kind kTcp = Kind::kTcp;
const std::string kAccept = "main>accept>lib:accept";

// Files: opened at `from`, step by step; one in `leaks` stays.
void files(Street& street, double from, double to, int leaks) {
  int count = 0;
  for (double when = from; when < to; when += 0.25) {
    auto& facts = street.open(Kind::kFile, Role::kUnknown, when, "main>job>lib:open");
    if (++count % leaks == 0) continue;
    facts.id.object += 10'000;
    street.closed(facts, when + 0.02, "main>job>lib:close");
  }
}

TEST(OutlivesSiblings, a_clean_ratio_of_files_is_conclusive) {
  Street street;
  files(street, 0.1, 60, 10);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "outlives-siblings"));
  EXPECT_TRUE(find(judgement, "outlives-siblings")->conclusive);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "job");
  EXPECT_EQ(judgement.findings[0].normally_closed_at->site.function, "job");
}

// Sessions, each a process, that open and close files, beside one process that keeps its own.
TEST(OutlivesSiblings, those_of_other_processes_alone_tell_nothing) {
  for (const bool others : {false, true}) {
    Street street;
    for (int i = 0; i < 60; ++i) {
      auto facts = street.open(Kind::kFile, Role::kUnknown, i, "main>backend>lib:open");
      if (others) facts.opener = {1000 + i, 1};
      street.closed(facts, i + 0.1, "main>backend>lib:close");
    }
    for (int i = 0; i < 30; ++i)
      street.open(Kind::kFile, Role::kUnknown, 1 + 1.9 * i, "main>checkpoint>backend>lib:open");
    EXPECT_EQ(find(street.judge(), "outlives-siblings") != nullptr, !others);
  }
}

TEST(OutlivesSiblings, some_that_were_kept_at_the_start_are_none) {
  Street street;
  files(street, 0.1, 5, 2);
  files(street, 5, 60, 100'000);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(NeverClosedHere, a_site_that_only_opens_is_evidence_and_one_that_closes_is_not) {
  for (const bool closes : {false, true}) {
    Street street;
    for (int i = 0; i < 12; ++i)
      street.open(Kind::kEpoll, Role::kUnknown, 1 + 4 * i, "main>reload>lib:epoll");
    if (closes) {
      auto& facts = street.open(Kind::kEpoll, Role::kUnknown, 3, "main>reload>lib:epoll");
      street.closed(facts, 4, "");
    }
    EXPECT_EQ(find(street.judge(), "never-closed-here") != nullptr, !closes);
  }
}

TEST(RisingFloor, growth_alone_is_a_suspicion) {
  Street street;
  for (int i = 0; i < 12; ++i)
    street.open(Kind::kEpoll, Role::kUnknown, 1 + 4 * i, "main>reload>lib:epoll");
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "rising-floor"));
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kSuspect);
}

// Who dialled those from before the attach is learned at a later scan; they go as others come.
TEST(RisingFloor, older_ones_count_from_the_first_scan_on_whoever_dialled_them) {
  for (const bool learned_late : {false, true}) {
    Street street;
    for (int i = 0; i < 30; ++i) {
      auto& facts = street.open(kTcp, Role::kClient, 2 * i, "main>serve>lib:connect");
      street.ask(facts, 2 * i + 0.1, "main>serve>lib:write");
    }
    const auto course = [&](Role role) -> std::vector<CohortPoint>& {
      return street.histories.cohorts[{kNoStack, kTcp, role, "10.0.0.3:5432"}].course;
    };
    for (int second = 0; second <= 61; ++second) {
      const int in_all = 30 + std::max(0, second - 30) * 7 / 15;
      const auto older = static_cast<uint32_t>(in_all - second / 2);
      const bool unknown = learned_late && second < 16;
      course(unknown ? Role::kUnknown : Role::kClient).push_back({Street::at(second), older, older});
    }
    EXPECT_FALSE(find(street.judge(), "rising-floor")) << learned_late;
  }
}

// Where no stacks were taken, what came later is in one cohort with what was there.
TEST(RisingFloor, standard_streams_are_never_among_those_that_grow) {
  Street street;
  for (int fd = 0; fd < 3; ++fd) {
    street.open(Kind::kFile, Role::kUnknown, -1, "");
    street.last().descriptors.front().fd = fd;
  }
  for (int i = 0; i < 12; ++i) {
    street.open(Kind::kFile, Role::kUnknown, 1 + 4 * i, "").opened.stack = kNoStack;
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_LE(judgement.findings[0].count, 12U);
  for (const auto& one : judgement.findings[0].connections) EXPECT_FALSE(one.before_attach);
}

// Whatever a service opens at its start looks like a rise for some seconds.
TEST(RisingFloor, some_seconds_after_a_start_are_too_few) {
  for (const int long_floor : {30, 165}) {  // seconds; the look lasts 60
    Street street;
    street.policy.long_floor = std::chrono::seconds(long_floor);
    for (int i = 0; i < 30; ++i) {
      street.open(Kind::kFile, Role::kUnknown, 0.2 + 1.8 * i, "main>topics>lib:open");
    }
    for (int i = 0; i < 200; ++i) {
      auto& facts = street.open(Kind::kFile, Role::kUnknown, 0.2 + 0.2 * i, "main>fill>lib:open");
      facts.id.object += 10'000;
      street.closed(facts, 0.21 + 0.2 * i, "main>fill>lib:close");
    }
    EXPECT_EQ(street.judge().findings.empty(), long_floor == 165);
  }
}

// A server for each job, most of which are closed soon; each has a port of its own.
TEST(RisingFloor, listeners_that_become_more_are_found_and_a_few_that_stay_are_not) {
  for (const bool leaks : {false, true}) {
    Street street;
    const std::string site = "main>callback>lib:listen";
    uint16_t port = 40'000;
    for (int i = 0; i < 56; ++i) {
      auto& facts = street.open(kTcp, Role::kListener, 1 + i, site);
      facts.state = TcpState::kListen;
      facts.local = {2, ++port, {127, 0, 0, 1}};
      const bool kept = leaks ? i % 4 == 0 : i < 3;
      if (kept) continue;
      facts.id.object += 10'000;
      street.closed(facts, 1.01 + i, "main>callback>lib:close");
    }
    const auto judgement = street.judge();
    ASSERT_EQ(judgement.findings.size(), leaks ? 1U : 0U);
    if (!leaks) continue;
    EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
    EXPECT_EQ(judgement.findings[0].blame->site.function, "callback");
    EXPECT_EQ(judgement.findings[0].role, Role::kListener);
    EXPECT_EQ(judgement.findings[0].peer, "");
  }
}

// Clients that come and go say nothing of listeners, though both are TCP.
TEST(RisingFloor, listeners_are_not_compared_with_connections) {
  Street street;
  for (int i = 0; i < 14; ++i) {
    auto& facts = street.open(kTcp, Role::kListener, 1 + 4 * i, "main>plug_in>lib:listen");
    facts.state = TcpState::kListen;
  }
  dials(street, 1, 58);
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kSuspect);
}

// Nobody gives up on a peer that does not answer: slow, and said so.
TEST(AwaitingAnswer, those_that_wait_are_told_and_are_not_in_use) {
  Street street;
  for (int i = 0; i < 12; ++i) {
    auto& facts = street.open(kTcp, Role::kClient, 1 + 3 * i, kDial);
    street.ask(facts, 1.1 + 3 * i, "main>approve>lib:write");
    facts.last_receive.reset();
    facts.bytes_received = 0;
  }
  auto& answered = street.open(kTcp, Role::kClient, 58, kDial);
  street.ask(answered, 59.5, "main>approve>lib:write");
  const auto judgement = street.judge();
  EXPECT_TRUE(judgement.findings.empty());
  const auto* waits = find(judgement.groups, "awaiting-answer");
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->text, "12 of 13 wait for an answer for over 5 s (longest 59 s)");
  EXPECT_EQ(judgement.groups[0].diagnosis, Diagnosis::kSlow);
}

TEST(RisingFloor, a_filling_that_ends_is_none) {
  Street street;
  for (int i = 0; i < 30; ++i)
    street.open(Kind::kFile, Role::kUnknown, 1 + 0.5 * i, "main>table>lib:open");
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(RisingFloor, a_burst_is_none) {
  Street street;
  for (int i = 0; i < 100; ++i) street.open(kTcp, Role::kClient, 20 + 0.01 * i, kDial);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(RisingFloor, more_and_more_clients_that_stay_are_not_the_servers_leak) {
  Street street;
  for (int i = 0; i < 30; ++i) street.open(kTcp, Role::kServer, 1 + 2 * i, kAccept);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(ClosedByCollector, finalizers_that_close_are_conclusive_even_with_nothing_open) {
  Street street;
  for (int i = 0; i < 10; ++i) {
    auto& facts = street.open(Kind::kFile, Role::kUnknown, 1 + i, "main>thumbnail>lib:open");
    street.closed(facts, 5 + i, "lib:runtime.runFinalizers>lib:os.(*file).close");
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_EQ(judgement.findings[0].healed, 10U);
  EXPECT_EQ(judgement.findings[0].count, 0U);
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
  EXPECT_EQ(judgement.findings[0].blame->site.function, "thumbnail");
}

// Those from before the attach have no line, and the collector has come to no traced one yet.
TEST(ClosedByCollector, older_ones_are_the_doing_of_the_only_one_that_leaves_many_for_long) {
  for (const bool another : {false, true}) {
    Street street;
    const auto leave = [&](const std::string& path, double from) {
      for (int i = 0; i < 8; ++i) {
        const double when = from + 2 * i;
        street.ask(street.open(kTcp, Role::kClient, when, path), when + 0.1, path + ">lib:write");
        street.last().facts.state = TcpState::kCloseWait;
        street.last().facts.peer_closed_at = Street::at(when + 1);
      }
    };
    leave("main>report>lib:connect", 1);
    if (another) leave("main>mail>lib:connect", 2);
    for (int i = 0; i < 6; ++i) {
      street.closed(street.open(kTcp, Role::kClient, -1, ""), 20 + i,
                    "lib:runtime.runFinalizers>lib:net.(*netFD).Close");
    }
    const auto judgement = street.judge();
    const auto* evidence = find(judgement, "closed-by-collector");
    ASSERT_TRUE(evidence);
    EXPECT_EQ(judgement.findings.size(), another ? 3U : 1U);
    const auto healed = std::find_if(judgement.findings.begin(), judgement.findings.end(),
                                     [](const Finding& one) { return one.healed > 0; });
    ASSERT_NE(healed, judgement.findings.end());
    EXPECT_EQ(healed->blame.has_value(), !another);
  }
}

TEST(ClosedByCollector, ordinary_closes_are_none) {
  Street street;
  files(street, 0.1, 30, 100'000);
  EXPECT_TRUE(street.judge().findings.empty());
}

}  // namespace
}  // namespace unclosed
