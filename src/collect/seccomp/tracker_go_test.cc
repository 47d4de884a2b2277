// What is known of Go services, of whose calls only some are told.
#include "collect/seccomp/tracker_calls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace unclosed {
namespace {

TEST(Tracker, of_go_whoever_adds_a_number_to_the_epoll_has_accepted_it) {
  Calls calls(ToldCalls::kOfGo);
  calls.opens(__NR_socket, 1, 100);  // and names it never
  calls.names(CallKind::kWatches, 2, 0, 200, 8);
  calls.names(CallKind::kSends, 3, 777, 300, 8);
  const auto facts = calls.look(777, 8);
  EXPECT_EQ(facts.opened.stack, 200U);
  EXPECT_EQ(facts.role, Role::kServer);
}

TEST(Tracker, of_go_a_number_that_its_opener_adds_has_its_opener) {
  Calls calls(ToldCalls::kOfGo);
  calls.opens(__NR_socket, 1, 100);
  calls.names(CallKind::kWatches, 1, 0, 101, 8);
  calls.names(CallKind::kWatches, 2, 0, 200, 9);
  EXPECT_EQ(calls.look(777, 8).opened.stack, 100U);
}

ConnectionFacts accepted(Calls& calls, uint64_t inode, int fd, uint16_t port) {
  ConnectionFacts facts;
  facts.opener = kService;
  facts.kind = Kind::kTcp;
  facts.role = Role::kServer;
  facts.inode = inode;
  facts.id = {inode, 1};
  facts.local = {AF_INET, port, {127, 0, 0, 1}};
  calls.tracker.complete(facts, {{kService, fd}}, calls.now());
  return facts;
}

// Not every accept is told.
TEST(Tracker, of_go_an_accept_that_was_not_told_has_the_stack_of_those_at_its_address) {
  Calls calls(ToldCalls::kOfGo);
  EXPECT_EQ(accepted(calls, 701, 8, 80).opened.stack, kNoStack);
  calls.names(CallKind::kWatches, 1, 0, 100, 10);
  EXPECT_EQ(accepted(calls, 702, 10, 80).opened.stack, 100U);
  EXPECT_EQ(accepted(calls, 703, 11, 80).opened.stack, 100U);
  EXPECT_EQ(accepted(calls, 701, 8, 80).opened.stack, 100U);
  EXPECT_EQ(accepted(calls, 704, 12, 90).opened.stack, 100U);  // nothing else is known there
  calls.names(CallKind::kWatches, 1, 0, 200, 14);
  EXPECT_EQ(accepted(calls, 705, 14, 90).opened.stack, 200U);
  EXPECT_EQ(accepted(calls, 706, 12, 90).opened.stack, 200U);
  EXPECT_EQ(accepted(calls, 707, 13, 80).opened.stack, 100U);
  EXPECT_EQ(accepted(calls, 708, 13, 70).opened.stack, kNoStack);
  calls.names(CallKind::kWatches, 1, 0, 300, 18);
  EXPECT_EQ(accepted(calls, 709, 18, 90).opened.stack, 300U);
  EXPECT_EQ(accepted(calls, 710, 19, 90).opened.stack, kNoStack);  // by one of two
}

TEST(Tracker, of_go_the_stack_of_one_that_came_and_went_tells_of_the_others_too) {
  Calls calls(ToldCalls::kOfGo);
  calls.names(CallKind::kWatches, 1, 0, 100, 10);
  calls.names(CallKind::kSends, 2, 777, 300, 10);
  calls.names(CallKind::kCloses, 2, 777, 301, 10);
  EXPECT_EQ(accepted(calls, 702, 8, 80).opened.stack, 100U);
}

TEST(Tracker, of_go_one_that_sends_was_not_opened_by_who_is_about_to_connect) {
  Calls calls(ToldCalls::kOfGo);
  calls.opens(__NR_socket, 1, 100);
  calls.names(CallKind::kSends, 2, 777, 300, 9);
  EXPECT_EQ(accepted(calls, 777, 9, 80).opened.stack, kNoStack);
  calls.names(CallKind::kConnects, 1, 778, 101, 8);
  EXPECT_EQ(calls.look(778, 8).opened.stack, 100U);
}

TEST(Tracker, of_go_a_socket_that_is_in_no_table_is_closed) {
  Calls calls(ToldCalls::kOfGo);
  calls.names(CallKind::kWatches, 1, 0, 100, 8);
  calls.names(CallKind::kSends, 1, 777, 200, 8);
  calls.look(1);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].facts.opened.stack, 100U);
  EXPECT_EQ(calls.gone[0].closed_by.stack, kNoStack);
}

TEST(Tracker, of_go_a_file_may_be_another_since_closes_are_not_told) {
  Calls calls(ToldCalls::kOfGo);
  calls.opens(__NR_eventfd2, 1, 100);
  EXPECT_EQ(calls.look(0, 5, Kind::kEventfd).opened.stack, 100U);
  EXPECT_EQ(calls.look(0, 5, Kind::kEventfd).opened.stack, 100U);
  calls.opens(__NR_eventfd2, 1, 200);
  EXPECT_EQ(calls.look(0, 5, Kind::kEventfd).opened.stack, kNoStack);
}

TEST(Tracker, a_goroutine_that_is_not_known_is_not_blamed) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  for (const StackId stack : {300U, 400U}) {
    auto traced = calls.made(CallKind::kSends, __NR_write, 1, stack);
    traced.call.fd = 5;
    traced.call.on = {true, true, 777, Kind::kOther, {}};
    traced.goroutines = true;
    calls.tracker.note(traced);
  }
  const auto facts = calls.look(777);
  EXPECT_FALSE(facts.tenure);
  ASSERT_TRUE(facts.requests[0]);
  EXPECT_EQ(facts.requests[0]->stack, kNoStack);
  EXPECT_FALSE(facts.requests[1]);
}

}  // namespace
}  // namespace unclosed
