// Each evidence on a history that leaks and on its healthy counterpart.
#include "judge/evidence/evidence.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "judge/street.h"

namespace unclosed {
namespace {

constexpr Kind kTcp = Kind::kTcp;
const std::string kDial = "main>serve>lib:connect";
const std::string kAccept = "main>accept>lib:accept";

ConnectionFacts& client_left(Street& street, double gone) {
  auto& facts = street.open(kTcp, Role::kServer, 1, kAccept);
  street.ask(facts, 2, "main>answer>lib:write");
  facts.last_receive = Street::at(1.9);
  facts.last_send = Street::at(2);
  facts.state = TcpState::kCloseWait;
  facts.state_since = facts.peer_closed_at = Street::at(gone);
  return facts;
}

// Dials of the same site, used and closed at once.
void dials(Street& street, double from, int count) {
  for (int i = 0; i < count; ++i) {
    auto& facts = street.open(kTcp, Role::kClient, from + i, kDial);
    facts.id.object += 10'000;
    street.ask(facts, from + i + 0.1, "main>serve>lib:write");
    street.closed(facts, from + i + 0.3, "main>serve>lib:close");
  }
}

TEST(PeerClosed, a_client_that_has_gone_for_long_is_evidence) {
  Street street;
  client_left(street, 10);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "peer-closed"));
  EXPECT_EQ(find(judgement, "peer-closed")->text,
            "the peer of 1 of 1 has closed, and they were held for over 30 s since (longest 50 s)");
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kSuspect);
}

TEST(PeerClosed, one_that_has_just_gone_is_none) {
  Street street;
  client_left(street, 40);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(PeerClosed, a_handler_that_still_owes_its_answer_is_slow) {
  Street street;
  auto& facts = client_left(street, 10);
  facts.last_receive = Street::at(3);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(PeerClosed, a_half_closed_connection_on_which_we_still_send_is_in_use) {
  Street street;
  auto& facts = client_left(street, 10);
  facts.last_send = Street::at(59);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(PeerClosed, a_dialled_one_counts_when_dials_passed_it_over_since) {
  for (const int count : {0, 5}) {
    Street street;
    auto& facts = street.open(kTcp, Role::kClient, 1, kDial);
    street.ask(facts, 2, "main>serve>lib:write");
    facts.state = TcpState::kCloseWait;
    facts.peer_closed_at = Street::at(10);
    dials(street, 20, count);
    EXPECT_EQ(find(street.judge(), "peer-closed") != nullptr, count == 5);
  }
}

TEST(PeerClosed, who_dialled_is_not_known_so_it_may_be_a_pool_that_has_not_looked) {
  Street street;
  for (int i = 0; i < 6; ++i) {
    auto& facts = street.open(kTcp, Role::kUnknown, 1, kDial);
    facts.before_attach = true;
    facts.state = TcpState::kCloseWait;
    facts.state_since = facts.peer_closed_at = Street::at(2 + 4 * i);
  }
  EXPECT_FALSE(find(street.judge(), "peer-closed"));
}

// Both ends were opened at once; the other one is closed, and nobody dials a pair again.
TEST(PeerClosed, one_end_of_a_pair_whose_other_is_closed_is_evidence_without_dials) {
  for (const bool closed : {true, false}) {
    Street street;
    for (int i = 0; i < 8; ++i) {
      auto& facts =
          street.open(Kind::kUnix, Role::kUnknown, 1 + 3 * i, "main>watch>lib:socketpair");
      facts.state = TcpState::kEstablished;
      if (closed) facts.peer_closed_at = Street::at(2 + 3 * i);
    }
    const auto judgement = street.judge();
    const auto* evidence = find(judgement, "peer-closed");
    ASSERT_EQ(evidence != nullptr, closed);
    if (closed) {
      EXPECT_EQ(evidence->text,
                "the peer of 8 of 8 has closed, and they were held for over 30 s since (longest 58 "
                "s)");
    }
  }
}

// A child's output that is never closed; what a service was started with is one pipe, for ever.
TEST(PeerClosed, pipes_whose_other_end_is_closed_are_evidence_where_they_become_more) {
  for (const int count : {1, 12}) {
    Street street;
    for (int i = 0; i < count; ++i) {
      auto& facts = street.open(Kind::kPipe, Role::kUnknown, 1 + 4 * i, "main>convert>lib:pipe2");
      facts.peer_closed_at = Street::at(2 + 4 * i);
    }
    const auto judgement = street.judge();
    ASSERT_EQ(judgement.findings.size(), count == 1 ? 0U : 1U);
    if (count == 1) continue;
    EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
    EXPECT_EQ(find(judgement, "peer-closed")->text,
              "the other end of 7 of 12 is closed, and they were held for over 30 s since (longest "
              "58 s)");
  }
}

TEST(PeerClosed, a_restart_of_the_peer_is_none) {
  Street street;
  for (int i = 0; i < 8; ++i) {
    auto& facts = street.open(kTcp, Role::kClient, 1 + i, kDial);
    street.ask(facts, 2 + i, "main>serve>lib:write");
    facts.state = TcpState::kCloseWait;
    facts.peer_closed_at = Street::at(15 + 0.1 * i);
  }
  dials(street, 20, 5);
  const auto judgement = street.judge();
  EXPECT_TRUE(judgement.findings.empty());
  bool said = false;
  for (const auto& group : judgement.groups) {
    for (const auto& evidence : group.evidence) said |= evidence.kind == "peer-restarted";
  }
  EXPECT_TRUE(said);
}

TEST(EndIgnored, an_end_that_was_told_and_ignored_is_conclusive) {
  Street street;
  client_left(street, 10).end_seen_at = Street::at(10.1);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "end-ignored"));
  EXPECT_TRUE(find(judgement, "end-ignored")->conclusive);
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
}

TEST(EndIgnored, an_end_that_was_just_told_is_none) {
  Street street;
  client_left(street, 45).end_seen_at = Street::at(45);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(EndIgnored, an_answer_still_being_worked_on_after_half_close_is_none) {
  Street street;
  auto& facts = client_left(street, 10);
  facts.end_seen_at = Street::at(10);
  facts.last_receive = Street::at(9.9);
  EXPECT_TRUE(street.judge().findings.empty());
}

// Dialled by the process 100, closed there at `closed`; its child 200 has a copy.
ConnectionFacts& inherited(Street& street, double closed) {
  auto& facts = street.open(kTcp, Role::kClient, 1, kDial);
  street.ask(facts, 2, "main>serve>lib:write");
  facts.partly_closed_at = Street::at(closed);
  street.last().descriptors = {{{200, 7}, 3}};
  return facts;
}

TEST(ClosedByParent, what_a_child_holds_and_nobody_uses_is_evidence) {
  Street street;
  inherited(street, 3);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "closed-by-parent"));
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kSuspect);
}

TEST(ClosedByParent, what_the_child_works_with_is_none) {
  Street street;
  auto& facts = inherited(street, 3);
  facts.last_receive = Street::at(4);
  EXPECT_FALSE(find(street.judge(), "closed-by-parent"));
}

TEST(ClosedByParent, what_was_handed_over_just_now_is_none) {
  Street street;
  inherited(street, 50);
  EXPECT_FALSE(find(street.judge(), "closed-by-parent"));
}

TEST(ClosedByParent, what_the_opener_still_holds_itself_is_none) {
  Street street;
  inherited(street, 3);
  street.last().descriptors.push_back({{100, 5}, 3});
  EXPECT_FALSE(find(street.judge(), "closed-by-parent"));
}

TEST(ClosedByParent, an_accepted_one_that_a_child_serves_is_none) {
  Street street;
  auto& facts = street.open(kTcp, Role::kServer, 1, kAccept);
  facts.partly_closed_at = Street::at(3);
  street.last().descriptors = {{{200, 7}, 3}};
  EXPECT_FALSE(find(street.judge(), "closed-by-parent"));
}

TEST(NoLongerConnected, a_socket_whose_connect_failed_and_is_kept_is_evidence) {
  Street street;
  auto& facts = street.open(kTcp, Role::kClient, 5, kDial);
  facts.connect_started = Street::at(5);
  facts.connect_errno = ECONNREFUSED;
  facts.state = TcpState::kClose;
  facts.state_since = Street::at(5);
  EXPECT_TRUE(find(street.judge(), "no-longer-connected"));
}

TEST(NoLongerConnected, a_socket_that_never_tried_to_connect_is_none) {
  Street street;
  auto& facts = street.open(kTcp, Role::kUnknown, 5, kDial);
  facts.state = TcpState::kClose;
  facts.state_since = Street::at(5);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(NoLongerConnected, idle_ones_of_a_pool_that_does_not_dial_are_none) {
  Street street;
  auto& facts = street.open(kTcp, Role::kClient, 1, kDial);
  street.ask(facts, 2, "main>serve>lib:write");
  facts.state = TcpState::kClose;
  facts.state_since = Street::at(10);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(PeerVanished, probes_without_answer_for_long_are_evidence_and_silence_is_not) {
  for (const uint32_t probes : {0U, 6U}) {
    Street street;
    auto& facts = street.open(kTcp, Role::kServer, 1, kAccept);
    street.ask(facts, 5, "main>answer>lib:write");
    facts.last_receive = Street::at(4);
    facts.unanswered_probes = probes;
    facts.send_queue = 400;
    EXPECT_EQ(find(street.judge(), "peer-vanished") != nullptr, probes > 0);
  }
}

ConnectionFacts& asked(Street& street, double when, double opened = 1) {
  auto& facts = street.open(kTcp, Role::kClient, opened, kDial);
  street.ask(facts, when, "main>leaky>lib:write");
  facts.recv_queue = 9861;
  return facts;
}

TEST(UnreadResponse, an_answer_that_nobody_reads_for_long_is_evidence) {
  Street street;
  asked(street, 5);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "unread-response"));
  EXPECT_EQ(find(judgement, "unread-response")->text,
            "1 of 1 hold unread bytes (9861 each) for over 30 s");
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kSuspect);
}

TEST(UnreadResponse, an_answer_that_has_just_come_is_none) {
  Street street;
  asked(street, 50);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(UnreadResponse, bytes_that_came_unasked_are_none) {
  Street street;
  asked(street, 5);
  street.last().unread_unasked = true;
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(UnreadResponse, the_farewell_of_a_peer_is_none) {
  Street street;
  auto& facts = asked(street, 5);
  facts.state = TcpState::kCloseWait;
  facts.peer_closed_at = Street::at(15);
  street.last().unread_since = Street::at(15.5);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(UnreadResponse, the_request_of_a_client_is_no_answer) {
  Street street;
  auto& facts = street.open(kTcp, Role::kServer, 1, kAccept);
  facts.recv_queue = 300;
  EXPECT_TRUE(street.judge().findings.empty());
}

// One every three seconds, used once.
void left_alone(Street& street, double from, double to, double step = 3) {
  for (double when = from; when < to; when += step) {
    auto& facts = street.open(kTcp, Role::kClient, when, kDial);
    street.ask(facts, when + 0.1, "main>leaky>lib:write");
  }
}

TEST(PassedOver, idle_ones_that_ever_more_dials_pass_over_are_evidence) {
  Street street;
  left_alone(street, 1, 60);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "passed-over"));
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kLeaking);
}

TEST(PassedOver, a_set_that_does_not_grow_is_held) {
  Street street;
  left_alone(street, 1, 5, 0.5);
  dials(street, 10, 40);
  const auto judgement = street.judge();
  EXPECT_TRUE(judgement.findings.empty());
  EXPECT_EQ(judgement.groups[0].verdict, Verdict::kHeld);
}

TEST(PassedOver, dials_of_another_process_pass_nobody_over) {
  Street street;
  for (int i = 0; i < 20; ++i) {
    auto& facts = street.open(kTcp, Role::kClient, 1 + 3 * i, kDial);
    facts.opener = {200 + i, 5};
    street.ask(facts, 1.1 + 3 * i, "main>worker>lib:write");
  }
  EXPECT_FALSE(find(street.judge(), "passed-over"));
}

TEST(PassedOver, those_that_receive_unasked_are_subscriptions) {
  Street street;
  left_alone(street, 1, 60);
  for (auto& history : street.histories.open) history.pushes = 3;
  EXPECT_FALSE(find(street.judge(), "passed-over"));
}

// Left alone by whoever borrowed it; the library pings on.
void pinged(Street& street) {
  left_alone(street, 1, 60);
  for (auto& history : street.histories.open) street.ask(history.facts, 59, "lib:pinger>lib:write");
}

TEST(Heartbeat, a_ping_by_the_library_is_no_use_where_users_are_seen) {
  Street street;
  pinged(street);
  dials(street, 0.5, 8);
  const auto judgement = street.judge();
  ASSERT_TRUE(find(judgement, "heartbeat"));
  EXPECT_FALSE(find(judgement, "heartbeat")->in_favour);
  EXPECT_TRUE(find(judgement, "passed-over"));
  EXPECT_EQ(judgement.findings[0].blame->site.function, "leaky");
}

TEST(Heartbeat, where_nobody_else_is_seen_the_library_may_send_for_all) {
  Street street;
  pinged(street);
  EXPECT_TRUE(street.judge().findings.empty());
}

TEST(PassedOver, uses_after_being_passed_over_take_it_back) {
  Street street;
  left_alone(street, 1, 60);
  const StackId opened = street.stack(kDial);
  auto& cohort = street.histories.cohorts[{opened, kTcp, Role::kClient, "10.0.0.3:5432"}];
  for (int i = 0; i < 10; ++i) {
    cohort.reuses.push_back({Street::at(2 + i), Street::at(40 + i), {100, 5}});
  }
  EXPECT_FALSE(find(street.judge(), "passed-over"));
}

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

TEST(ClosedByCollector, ordinary_closes_are_none) {
  Street street;
  files(street, 0.1, 30, 100'000);
  EXPECT_TRUE(street.judge().findings.empty());
}

}  // namespace
}  // namespace unclosed
