// Each evidence on a history that leaks and on its healthy counterpart.
#include "judge/evidence/evidence.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "judge/street.h"

namespace unclosed {
namespace {

constexpr Kind kTcp = Kind::kTcp;
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

TEST(PeerClosed, one_that_was_answered_after_its_client_had_ended_its_side_has_nothing_to_wait_for) {
  Street street;
  auto& facts = client_left(street, 10);
  facts.last_send = Street::at(12);
  EXPECT_TRUE(find(street.judge(), "peer-closed"));
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

TEST(EndIgnored, an_answer_that_was_just_given_after_half_close_is_none) {
  Street street;
  auto& facts = client_left(street, 10);
  facts.end_seen_at = Street::at(10);
  facts.last_send = Street::at(45);
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

// Its queue of connections to be accepted is full: the kernel holds the connection for established.
TEST(PeerVanished, a_peer_that_never_took_the_connection_has_not_gone) {
  for (const uint64_t taken : {0U, 400U}) {
    Street street;
    for (int i = 0; i < 8; ++i) {
      auto& facts = street.open(kTcp, Role::kClient, 1 + 3 * i, kDial);
      street.ask(facts, 1.1 + 3 * i, "main>ask>lib:write");
      facts.last_receive.reset();
      facts.bytes_received = taken;
      facts.bytes_sent = facts.send_queue = 33;
      facts.unanswered_probes = 6;
    }
    const auto judgement = street.judge();
    EXPECT_EQ(judgement.findings.empty(), taken == 0);
    EXPECT_EQ(find(judgement, "peer-vanished") != nullptr, taken > 0);
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

// Both ports may be such as the kernel hands out: then nobody knows who dialled an older one.
TEST(UnreadResponse, an_older_one_counts_though_its_role_is_not_known) {
  for (const bool older : {true, false}) {
    Street street;
    for (int i = 0; i < 8; ++i) {
      auto& facts = asked(street, 2 + 4 * i);
      facts.id.object += static_cast<uint64_t>(i) * 100;
      facts.role = Role::kUnknown;
      facts.before_attach = older;
      facts.recv_queue = 800;
      street.last().unread_since = Street::at(3 + 4 * i);
    }
    EXPECT_EQ(find(street.judge(), "unread-response") != nullptr, older);
  }
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

// Tasks that keep theirs for a while: how long those from before the attach lay is the measure.
TEST(PassedOver, ends_after_having_been_passed_over_take_it_back) {
  for (const bool closed : {false, true}) {
    Street street;
    left_alone(street, 1, 60);
    for (int i = 0; closed && i < 10; ++i) {
      street.closed(street.open(kTcp, Role::kClient, -1, ""), 40 + i, "main>leaky>lib:close");
    }
    EXPECT_EQ(find(street.judge(), "passed-over") != nullptr, !closed);
  }
}

}  // namespace
}  // namespace unclosed
