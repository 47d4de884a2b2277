#include "collect/seccomp/tracker.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace unclosed {
namespace {

const ProcessId kService{42, 7};

// A service's calls, one after the other, each a millisecond after the last.
class Calls {
 public:
  TracedCall made(CallKind kind, int number, uint32_t thread, StackId stack) {
    TracedCall traced;
    traced.call.kind = kind;
    traced.call.number = number;
    traced.call.thread = thread;
    traced.call.at = now();
    traced.process = kService;
    traced.use = {stack, traced.call.at, {thread, 0}};
    return traced;
  }
  void opens(int number, uint32_t thread, StackId stack) {
    auto traced = made(CallKind::kOpens, number, thread, stack);
    traced.call.arguments = {AF_INET, SOCK_STREAM};
    tracker.note(traced);
  }
  void names(CallKind kind, uint32_t thread, uint64_t inode, StackId stack, int fd = 5) {
    auto traced = made(kind, __NR_sendto, thread, stack);
    traced.call.fd = fd;
    traced.call.on = {true, inode != 0, inode};
    tracker.note(traced);
  }
  Instant now() { return {++x_milliseconds * 1'000'000}; }
  ConnectionFacts look(uint64_t inode, int fd = 5, Kind kind = Kind::kTcp) {
    const Instant began = now();
    ConnectionFacts facts;
    facts.id = {inode, 1};
    facts.kind = kind;
    facts.inode = inode;
    facts.before_attach = true;
    tracker.complete(facts, {{kService, fd}}, began);
    gone = tracker.finish_look(began);
    return facts;
  }

  Tracker tracker;
  std::vector<Closed> gone;

 private:
  int64_t x_milliseconds = 0;
};

TEST(Tracker, AnOpeningIsKnownByTheNextCallOfItsThread) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.opens(__NR_socket, 2, 200);
  calls.names(CallKind::kConnects, 2, 888, 201);
  calls.names(CallKind::kConnects, 1, 777, 101);
  const auto facts = calls.look(777);
  EXPECT_EQ(facts.opened.stack, 100U);
  EXPECT_EQ(facts.role, Role::kClient);
  EXPECT_FALSE(facts.before_attach);
}

TEST(Tracker, TwoOpeningsThatCouldBeMeantLeaveTheStackOpen) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.opens(__NR_socket, 2, 200);
  EXPECT_EQ(calls.look(777).opened.stack, kNoStack);
}

TEST(Tracker, TwoOpeningsByTheSameCodeAreOne) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.opens(__NR_socket, 2, 100);
  EXPECT_EQ(calls.look(777).opened.stack, 100U);
}

TEST(Tracker, AnotherThreadMayUseItFirst) {
  Calls calls;
  calls.opens(__NR_accept4, 1, 100);
  calls.names(CallKind::kSends, 2, 777, 300);
  const auto facts = calls.look(777);
  EXPECT_EQ(facts.opened.stack, 100U);
  EXPECT_EQ(facts.role, Role::kServer);
  ASSERT_TRUE(facts.requests[0]);
  EXPECT_EQ(facts.requests[0]->stack, 300U);
  EXPECT_FALSE(facts.opening_in_tenure);
}

TEST(Tracker, TheLastRequestsWithDifferentStacksAreKept) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.names(CallKind::kSends, 1, 777, 300);
  calls.names(CallKind::kSends, 1, 777, 300);
  calls.names(CallKind::kSends, 2, 777, 400);
  const auto facts = calls.look(777);
  EXPECT_EQ(facts.requests[0]->stack, 400U);
  EXPECT_EQ(facts.requests[1]->stack, 300U);
  EXPECT_EQ(facts.request_count, 3U);
  EXPECT_EQ(facts.tenure_count, 2U);
}

TEST(Tracker, OneThatCameAndWentBetweenTwoLooksIsTold) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.names(CallKind::kConnects, 1, 777, 101);
  calls.names(CallKind::kCloses, 1, 777, 102);
  calls.look(1);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].facts.opened.stack, 100U);
  EXPECT_EQ(calls.gone[0].closed_by.stack, 102U);
  EXPECT_EQ(calls.gone[0].facts.kind, Kind::kTcp);
}

TEST(Tracker, AClosedNumberThatIsNamedAgainIsAnotherFile) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  calls.names(CallKind::kCloses, 1, 0, 101);
  calls.opens(__NR_openat, 1, 200);
  const auto facts = calls.look(0, 5, Kind::kFile);
  EXPECT_EQ(facts.opened.stack, 200U);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].facts.opened.stack, 100U);
}

TEST(Tracker, OneThatAnotherProcessStillHoldsIsNotClosed) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.names(CallKind::kConnects, 1, 777, 101);
  calls.names(CallKind::kCloses, 1, 777, 102);
  const auto facts = calls.look(777);
  EXPECT_TRUE(calls.gone.empty());
  EXPECT_FALSE(calls.tracker.closed(facts.id));
}

TEST(Tracker, AGoroutineThatIsNotKnownMakesNoTenure) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  for (const StackId stack : {300U, 400U}) {
    auto traced = calls.made(CallKind::kSends, __NR_write, 1, stack);
    traced.call.fd = 5;
    traced.call.on = {true, true, 777};
    traced.goroutines = true;
    calls.tracker.note(traced);
  }
  const auto facts = calls.look(777);
  EXPECT_FALSE(facts.tenure);
  EXPECT_EQ(facts.requests[0]->stack, 400U);
  EXPECT_FALSE(facts.requests[1]);
}

}  // namespace
}  // namespace unclosed
