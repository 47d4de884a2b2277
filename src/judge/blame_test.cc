#include "judge/blame.h"

#include <gtest/gtest.h>

#include "judge/street.h"

namespace unclosed {
namespace {

constexpr Kind kTcp = Kind::kTcp;
constexpr Role kClient = Role::kClient;

// Left with an unread answer: found by itself, whatever the rest does.
ConnectionFacts& leaked(Street& street, double when, const std::string& opened,
                        const std::vector<std::string>& requests, uint64_t goroutine) {
  auto& facts = street.open(kTcp, kClient, when, opened);
  facts.opened.by.goroutine = goroutine;
  for (const auto& request : requests) street.ask(facts, when += 0.1, request, goroutine);
  facts.recv_queue = 100;
  return facts;
}

void healthy(Street& street, double when, const std::string& opened, const std::string& request,
             const std::string& closed) {
  auto& facts = street.open(kTcp, kClient, when, opened);
  facts.id.object += 10'000;
  street.ask(facts, when + 0.1, request, 1000 + static_cast<uint64_t>(when * 10));
  street.closed(facts, when + 0.2, closed);
}

Finding only_finding(Street& street) {
  const auto judgement = street.judge();
  EXPECT_EQ(judgement.findings.size(), 1U);
  return judgement.findings.empty() ? Finding{} : judgement.findings[0];
}

TEST(Blame, opening_and_request_of_one_tenure_meet_in_their_caller) {
  Street street;
  leaked(street, 1, "main>handle>shard_status:12>wire.dial>lib:connect",
         {"main>handle>shard_status:14>wire.roundtrip>lib:write"}, 7)
      .opening_in_tenure = true;
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "shard_status");
  EXPECT_EQ(finding.blame->site.line, 14U);
  EXPECT_EQ(finding.blame->rule, "common frame of the opening and the last request");
  EXPECT_EQ(finding.opened->function, "wire.dial");
}

TEST(Blame, the_opening_by_somebody_else_does_not_count) {
  Street street;
  leaked(street, 1, "main>goodQuery>lib:connect", {"main>leakyQuery:3>lib:write"}, 7)
      .opened.by.goroutine = 6;
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "leakyQuery");
  EXPECT_EQ(finding.blame->role, BlameRole::kUsed);
  EXPECT_EQ(finding.opened->function, "goodQuery");
}

TEST(Blame, the_function_that_dials_and_sends_itself_is_blamed) {
  Street street;
  leaked(street, 1, "main>fetch:1>lib:connect", {"main>fetch:2>lib:write"}, 7).opening_in_tenure =
      true;
  EXPECT_EQ(only_finding(street).blame->site.function, "fetch");
}

TEST(Blame, a_helper_that_healthy_callers_share_is_not_blamed) {
  Street street;
  leaked(street, 1, "main>handle>list>lib:connect",
         {"main>handle>audit.check:9>store.query>lib:write"}, 7);
  for (int i = 0; i < 5; ++i) {
    healthy(street, 5 + i, "main>handle>report.build>lib:connect",
            "main>handle>report.build>store.query>lib:write", "");
  }
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "audit.check");
  EXPECT_EQ(finding.blame->site.line, 9U);
  EXPECT_TRUE(finding.blame->rule.starts_with("discriminating frame"));
}

TEST(Blame, where_all_frames_are_shared_it_is_the_one_that_closes_the_siblings) {
  Street street;
  leaked(street, 1, "main>handle>report.build>lib:connect",
         {"main>handle>report.build:20>store.query>lib:write"}, 7);
  for (int i = 0; i < 5; ++i) {
    healthy(street, 5 + i, "main>handle>report.build>lib:connect",
            "main>handle>report.build:20>store.query>lib:write",
            "main>handle>report.build:31>lib:close");
  }
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "report.build");
  EXPECT_EQ(finding.blame->site.line, 20U);
  EXPECT_TRUE(finding.blame->rule.starts_with("close site"));
  EXPECT_EQ(finding.normally_closed_at->site.line, 31U);
}

// The same, and the answer was awaited in the function that asked.
ConnectionFacts& asked_and_answered(Street& street, const std::string& opened,
                                    const std::string& way) {
  auto& facts = leaked(street, 1, opened, {way + ":4>lib:write"}, 7);
  facts.first_receive = Use{street.stack(way + ":6>lib:read"), Street::at(1.2), {100, 7}};
  return facts;
}

// One helper asks for all, on connections that were opened elsewhere and that nobody closes.
TEST(Blame, who_asks_and_awaits_the_answer_for_its_callers_is_passed_over) {
  Street street;
  asked_and_answered(street, "main>handle>tenants.get>dial>lib:connect",
                     "main>handle>quote:9>Conn.Do");
  auto& other = street.open(kTcp, kClient, 58, "main>handle>tenants.get>dial>lib:connect");
  street.ask(other, 59.9, "main>handle>order>Conn.Do:4>lib:write", 99);
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "quote");
  EXPECT_EQ(finding.blame->site.line, 9U);
  EXPECT_EQ(finding.blame->rule,
            "caller of Conn.Do, by which all ask on connections that were opened elsewhere");
  EXPECT_LT(finding.blame->confidence, 0.8);
}

TEST(Blame, who_took_it_from_a_pool_and_asks_is_not_passed_over) {
  Street street;
  asked_and_answered(street, "main>handle>lookup>pool.get>lib:connect", "main>handle>lookup");
  asked_and_answered(street, "main>handle>lookup>pool.get>lib:connect", "main>report>lookup");
  EXPECT_EQ(only_finding(street).blame->site.function, "lookup");
}

TEST(Blame, who_asks_is_not_passed_over_where_others_ask_without_it) {
  Street street;
  asked_and_answered(street, "main>fill>lib:connect", "main>handle>lookup");
  asked_and_answered(street, "main>fill>lib:connect", "main>report>lookup");
  for (int i = 0; i < 5; ++i) {
    healthy(street, 5 + i, "main>fill>lib:connect", "main>handle>list:4>lib:write", "");
  }
  EXPECT_EQ(only_finding(street).blame->site.function, "lookup");
}

// A function whose last call closes is not on the stack of the closing: that call was a jump.
TEST(Blame, who_closed_by_a_jump_is_behind_the_call_that_both_stacks_hold) {
  Street street;
  leaked(street, 1, "main>run>accept_all>lib:accept",
         {"main@1>run@2>on_event:72>answer>lib:send"}, 7);
  for (int i = 0; i < 5; ++i) {
    healthy(street, 5 + i, "main>run>accept_all>lib:accept",
            "main@1>run@2>on_event:72>answer>lib:send", "main@1>run@2>lib:close");
  }
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "on_event");
  EXPECT_EQ(finding.blame->site.line, 72U);
}

TEST(Blame, who_closes_behind_another_call_is_blamed_itself) {
  Street street;
  leaked(street, 1, "main>run>accept_all>lib:accept",
         {"main@1>run@2>on_event:72>answer>lib:send"}, 7);
  for (int i = 0; i < 5; ++i) {
    healthy(street, 5 + i, "main>run>accept_all>lib:accept",
            "main@1>run@2>on_event:72>answer>lib:send", "main@1>run@3>lib:close");
  }
  EXPECT_EQ(only_finding(street).blame->site.function, "run");
}

TEST(Blame, a_function_that_closes_what_it_opened_keeps_the_blame_from_its_callers) {
  Street street;
  leaked(street, 1, "main>b>find_user>lib:connect", {"main>b>find_user:5>lib:write"}, 7);
  for (int i = 0; i < 5; ++i) {
    healthy(street, 5 + i, "main>a>find_user>lib:connect", "main>a>find_user:5>lib:write",
            "main>a>find_user:8>lib:close");
  }
  EXPECT_EQ(only_finding(street).blame->site.function, "find_user");
}

constexpr const char* kForgotten = "go:notify:12>lib:goexit>lib:Post";

TEST(Blame, where_no_stack_holds_own_code_the_go_statement_is_blamed) {
  Street street;
  for (int i = 0; i < 6; ++i) {
    auto& facts = street.open(kTcp, kClient, 1 + i, "lib:goexit>lib:dialConnFor");
    street.borrow(facts, 1.1 + i, kForgotten, 70 + static_cast<uint64_t>(i));
    facts.recv_queue = 100;
  }
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "notify");
  EXPECT_EQ(finding.blame->site.line, 12U);
  EXPECT_EQ(finding.blame->role, BlameRole::kBorrowed);
  EXPECT_TRUE(finding.blame->rule.starts_with("ancestry"));
}

TEST(Blame, who_started_a_worker_that_serves_everybody_is_not_blamed) {
  Street street;
  for (int i = 0; i < 6; ++i) {
    auto& facts = street.open(kTcp, kClient, 1 + i, "lib:goexit>lib:dialConnFor");
    street.borrow(facts, 1.1 + i, kForgotten, 70);
    facts.recv_queue = 100;
  }
  EXPECT_FALSE(only_finding(street).blame);
}

TEST(Blame, own_code_on_a_stack_comes_before_the_go_statement) {
  Street street;
  for (int i = 0; i < 6; ++i) {
    auto& facts = street.open(kTcp, kClient, 1 + i, "lib:goexit>lib:dialConnFor");
    street.borrow(facts, 1.1 + i, "go:notify:12>handle>lib:Post", 70 + static_cast<uint64_t>(i));
    facts.recv_queue = 100;
  }
  EXPECT_EQ(only_finding(street).blame->site.function, "handle");
}

TEST(Blame, requests_of_a_library_never_replace_the_last_own_one) {
  Street street;
  leaked(street, 1, "main>serve>lib:connect", {"main>leaky>lib:write", "lib:ping>lib:write"}, 7);
  EXPECT_EQ(only_finding(street).blame->site.function, "leaky");
}

TEST(Blame, a_lost_stack_is_not_replaced_by_an_earlier_borrowers) {
  Street street;
  auto& facts = leaked(street, 1, "main>serve>lib:connect", {"main>innocent>lib:write"}, 7);
  street.ask(facts, 2, "main>guilty>lib:write", 8);
  facts.requests[0]->stack = kNoStack;
  const auto finding = only_finding(street);
  EXPECT_FALSE(finding.blame);
  EXPECT_FALSE(finding.no_blame_reason.empty());
}

TEST(Blame, no_own_frame_is_nobody_with_the_reason) {
  Street street;
  leaked(street, 1, "lib:pool.dial>lib:connect", {"lib:pool.writer>lib:write"}, 7);
  const auto finding = only_finding(street);
  EXPECT_FALSE(finding.blame);
  EXPECT_NE(finding.no_blame_reason.find("library"), std::string::npos);
}

TEST(Blame, a_program_without_symbols_is_told_by_the_place_in_it) {
  Street street;
  auto& facts =
      leaked(street, 1, "lib:[unknown]+0x11f3>lib:connect", {"lib:[unknown]+0x1210>lib:write"}, 7);
  street.histories.processes[facts.opener].exe = "/srv/app";
  const auto finding = only_finding(street);
  EXPECT_FALSE(finding.blame);
  EXPECT_NE(finding.no_blame_reason.find("app+0x1210"), std::string::npos);
  EXPECT_NE(finding.no_blame_reason.find("-g"), std::string::npos);
}

TEST(Blame, opened_before_the_attach_and_not_used_since_is_nobody_with_the_reason) {
  Street street;
  auto& facts = street.open(kTcp, kClient, -1, "");
  facts.recv_queue = 100;
  const auto finding = only_finding(street);
  EXPECT_FALSE(finding.blame);
  EXPECT_NE(finding.no_blame_reason.find("before the attach"), std::string::npos);
}

TEST(Blame, older_ones_that_are_left_one_after_the_other_are_no_growth) {
  Street street;
  for (int i = 0; i < 12; ++i) {
    auto& facts = street.open(kTcp, kClient, -1, "");
    street.ask(facts, 2 + 4 * i, "main>quote>lib:write", 7 + static_cast<uint64_t>(i));
    facts.recv_queue = 100;
  }
  EXPECT_EQ(only_finding(street).growth_per_minute, 0);
}

TEST(Blame, older_ones_join_a_finding_that_looks_like_them) {
  Street street;
  for (int i = 0; i < 6; ++i) {
    leaked(street, 1 + i, "main>serve>lib:connect", {"main>leaky>lib:write"},
           7 + static_cast<uint64_t>(i));
  }
  for (int i = 0; i < 4; ++i) street.open(kTcp, kClient, -1, "").recv_queue = 100;
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.count, 10U);
  EXPECT_EQ(finding.older_matched, 4U);
  EXPECT_EQ(finding.evidence.back().kind, "older-matched");
}

// Of an interpreter no line is known; its older ones are the same leak all the same.
TEST(Blame, older_ones_join_a_finding_without_a_line) {
  Street street;
  for (int i = 0; i < 4; ++i) {
    leaked(street, 1 + i, "lib:eval>lib:connect", {"lib:eval>lib:send"}, 0);
  }
  for (int i = 0; i < 9; ++i) street.open(kTcp, kClient, -1, "").recv_queue = 100;
  const auto finding = only_finding(street);
  EXPECT_FALSE(finding.blame);
  EXPECT_EQ(finding.count, 13U);
  EXPECT_EQ(finding.older_matched, 9U);
  EXPECT_EQ(finding.no_blame_reason.find("before the attach"), std::string::npos);
}

// Two ways to a last use are too few to tell that `publish` leads to everybody.
TEST(Blame, those_that_never_got_beyond_the_helper_are_the_helpers) {
  Street street;
  const std::string dial = "main>publish>Connect>dial>lib:connect";
  const std::string hello = "main>publish>Connect>ask>lib:write";
  for (uint64_t i = 0; i < 6; ++i) {
    leaked(street, 1 + static_cast<double>(i), dial, {hello}, 7 + i).opening_in_tenure = true;
  }
  for (uint64_t i = 0; i < 20; ++i) {
    const double when = 20 + static_cast<double>(i);
    auto& facts = street.open(kTcp, kClient, when, dial);
    facts.opened.by.goroutine = 1000 + i;
    facts.opening_in_tenure = true;
    street.ask(facts, when + 0.1, hello, 1000 + i);
    street.ask(facts, when + 0.2, "main>publish>send>ask>lib:write", 1000 + i);
    street.closed(facts, when + 0.3, "main>publish>Close>lib:close");
  }
  EXPECT_EQ(only_finding(street).blame->site.function, "Connect");
}

TEST(Blame, a_dispatcher_on_all_ways_owns_nothing) {
  Street street;
  // One thread: what came before the leaking use was another caller's.
  for (int i = 0; i < 6; ++i) {
    const std::string earlier = i % 2 == 0 ? "main>loop>list>store.query>lib:write"
                                           : "main>loop>load>store.query>lib:write";
    leaked(street, 1 + i, "main>loop>list>lib:connect",
           {earlier, "main>loop>audit.check>store.query>lib:write"}, 0);
  }
  for (int i = 0; i < 4; ++i) {
    auto& facts = street.open(kTcp, kClient, 1, "main>loop>list>lib:connect");
    street.ask(facts, 58, "main>loop>load>store.query>lib:write");
    street.ask(facts, 59, "main>loop>list>store.query>lib:write");
  }
  EXPECT_EQ(only_finding(street).blame->site.function, "audit.check");
}

// Whoever reads a body of HTTP/2 to its end makes room for more on a connection that all share.
TEST(Blame, who_makes_room_on_a_shared_connection_does_not_use_it_alone) {
  Street street;
  for (uint64_t i = 0; i < 6; ++i) {
    leaked(street, 1 + static_cast<double>(i), "lib:goexit>lib:dialConnFor>lib:connect",
           {"main>picture>lib:net/http.http2transportResponseBody.Read>lib:write",
            "lib:goexit>lib:doRequest>lib:write"},
           7 + i);
  }
  EXPECT_FALSE(only_finding(street).blame);
}

// Some workers come back to the pool again and again. A connection that one of them happened to use
// twice in a row is not evidence that their loop owns it, though each of three did so once.
TEST(Blame, workers_that_met_a_connection_twice_by_chance_do_not_own_it) {
  Street street;
  const std::string dial = "fill>lib:connect";
  const auto ask = [](const std::string& caller) { return "loop>" + caller + ">price>lib:write"; };
  for (uint64_t worker = 0; worker < 3; ++worker) {
    leaked(street, 1 + static_cast<double>(worker), dial, {ask("single"), ask("saver")},
           7 + worker);
  }
  for (uint64_t i = 0; i < 20; ++i) {
    leaked(street, 5 + static_cast<double>(i), dial, {ask("saver")}, 7 + i % 3);
  }
  for (int i = 0; i < 4; ++i) street.open(kTcp, kClient, 59 + 0.1 * i, dial);
  for (uint64_t i = 0; i < 20; ++i) {
    const double when = 30 + static_cast<double>(i);
    const std::string caller = i % 4 == 0 ? "group" : "single";
    auto& facts = street.open(kTcp, kClient, when, dial);
    facts.id.object += 10'000;
    street.ask(facts, when + 0.1, ask(caller), 7 + i % 3);
    street.closed(facts, when + 0.2, "loop>" + caller + ">put>lib:close");
  }
  for (const auto& finding : street.judge().findings) {
    ASSERT_TRUE(finding.blame);
    EXPECT_EQ(finding.blame->site.function, "saver") << finding.blame->rule;
  }
}

// Where the collector closes what callers forget, one whose closing was not seen is no proof that
// its caller closes.
TEST(Blame, a_closing_that_nobody_saw_is_not_healthy_where_the_collector_closes) {
  Street street;
  const std::string dial = "lib:goexit>lib:addIdle>lib:connect";
  const auto forget = [&](double when, uint64_t goroutine) -> ConnectionFacts& {
    return leaked(street, when, dial, {"loop>forget>set>lib:hello", "loop>forget>set>lib:write"},
                  goroutine);
  };
  for (int i = 0; i < 12; ++i) forget(30 + i, 7);
  for (int i = 0; i < 6; ++i) {
    auto facts = forget(2 + i, 7);
    facts.id.object += 10'000;
    facts.recv_queue = 0;
    street.histories.open.pop_back();
    street.closed(facts, 2.3 + i, i == 0 ? "" : "lib:runtime.runFinalizers>lib:close");
  }
  auto& shared = street.open(kTcp, kClient, -1, "");
  shared.tenure_count = 200;
  street.ask(shared, 58, "loop>touch>set>lib:write", 7);
  street.ask(shared, 59, "loop>cart>lib:write", 8);
  for (const auto& finding : street.judge().findings) {
    if (!finding.blame) continue;
    EXPECT_EQ(finding.blame->site.function, "forget") << finding.blame->rule;
  }
}

// Left with an unread answer by the caller of a library that dials and sends itself.
ConnectionFacts& handed_out(Street& street, double when, const std::vector<std::string>& callers) {
  auto& facts = street.open(kTcp, kClient, when, "lib:goexit>lib:dialConnFor>lib:connect");
  for (const auto& caller : callers) street.borrow(facts, when += 0.1, caller, 7);
  facts.recv_queue = 100;
  return facts;
}

TEST(Blame, the_caller_of_a_hand_out_function_has_borrowed_it) {
  Street street;
  handed_out(street, 1, {"main>handle>fetch:12"});
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "fetch");
  EXPECT_EQ(finding.blame->site.line, 12U);
  EXPECT_EQ(finding.blame->role, BlameRole::kBorrowed);
  EXPECT_EQ(finding.blame->rule, "borrowed: the caller of roundTrip");
  EXPECT_EQ(finding.borrowed->function, "fetch");
  EXPECT_FALSE(finding.used);
}

TEST(Blame, a_helper_that_earlier_borrowers_share_is_not_blamed) {
  Street street;
  for (int i = 0; i < 5; ++i) {
    handed_out(street, 1 + i,
               {"main>handle>quote:8>get", "main>handle>stock:9>get", "main>handle>leaky:7>get"});
  }
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "leaky");
  EXPECT_EQ(finding.blame->site.line, 7U);
  EXPECT_EQ(finding.borrowed->function, "get");
}

TEST(Blame, what_was_handed_out_again_tells_which_callers_are_healthy) {
  Street street;
  auto& shared = street.open(kTcp, kClient, -1, "");
  shared.role = Role::kUnknown;  // from before the attach: nobody saw it connect
  for (int i = 0; i < 20; ++i) street.borrow(shared, 50 + i * 0.5, "main>shipped:3>post", 9);
  for (int i = 0; i < 5; ++i) handed_out(street, 1 + i, {"main>refunded:7>post"});
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "refunded");
}

TEST(Blame, an_own_send_after_the_hand_out_is_nearer) {
  Street street;
  auto& facts = handed_out(street, 1, {"main>upgrade:4"});
  street.ask(facts, 2, "main>stream:9>lib:write", 8);
  const auto finding = only_finding(street);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "stream");
}

// Accepted by an own loop, answered, and closed; `copy` is when a copy of its descriptor was made.
Finding copied(double copy, double answered, int left = 1) {
  Street street;
  for (int i = 0; i < 8; ++i) {
    const double when = 2 + 4 * i;
    auto& facts = street.open(kTcp, Role::kServer, when, "main>accept_loop>lib:accept");
    facts.duplicated = Use{street.stack("main>handle:33>tune:16>lib:dup"),
                           Street::at(when + copy), {100, 0}};
    street.ask(facts, when + answered, "main>handle:43>lib:write");
    facts.last_receive = Street::at(when + 0.01);
    facts.partly_closed_at = Street::at(when + 0.2);
    facts.state = TcpState::kCloseWait;
    facts.peer_closed_at = facts.state_since = Street::at(when + 0.3);
    for (int fd = 1; fd < left; ++fd) street.last().descriptors.push_back({facts.opener, 500 + fd});
  }
  return only_finding(street);
}

TEST(Blame, a_copy_that_outlives_the_closed_descriptor_is_its_makers) {
  const auto finding = copied(0.02, 0.1);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "tune");
  EXPECT_EQ(finding.blame->site.line, 16U);
  EXPECT_EQ(finding.blame->role, BlameRole::kOpened);
}

TEST(Blame, a_copy_that_is_used_after_the_close_or_is_one_of_several_is_no_sign) {
  EXPECT_EQ(copied(0.02, 0.25).blame->site.function, "handle");
  EXPECT_EQ(copied(0.25, 0.1).blame->site.function, "handle");
  EXPECT_EQ(copied(0.02, 0.1, 2).blame->site.function, "handle");
}

// Whoever accepts hands on: of those that nobody used he is known, and little more.
TEST(Blame, who_accepted_what_nobody_used_is_named_with_doubt) {
  Street street;
  for (int i = 0; i < 8; ++i) {
    auto& facts = street.open(kTcp, Role::kServer, 2 + 4 * i, "main>accept_loop>lib:accept");
    facts.state = TcpState::kCloseWait;
    facts.peer_closed_at = facts.state_since = Street::at(2.3 + 4 * i);
  }
  const auto finding = only_finding(street);
  EXPECT_EQ(finding.blame->site.function, "accept_loop");
  EXPECT_EQ(finding.blame->confidence, 0.5);
}

}  // namespace
}  // namespace unclosed
