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
  Instant opens(int number, uint32_t thread, StackId stack) {
    auto traced = made(CallKind::kOpens, number, thread, stack);
    traced.call.arguments = {AF_INET, SOCK_STREAM};
    tracker.note(traced);
    return traced.call.at;
  }
  // What the opening of that moment gave.
  void gave(uint32_t thread, Instant opened, int fd, Kind kind) {
    auto traced = made(CallKind::kGave, 0, thread, kNoStack);
    traced.call.at = traced.use.at = opened;
    traced.call.fd = fd;
    traced.call.on = {true, false, 0, kind, "/some/file"};
    tracker.note(traced);
  }
  void names(CallKind kind, uint32_t thread, uint64_t inode, StackId stack, int fd = 5) {
    auto traced = made(kind, __NR_sendto, thread, stack);
    traced.call.fd = fd;
    traced.call.on = {true, inode != 0, inode, inode != 0 ? Kind::kOther : Kind::kFile, {}};
    tracker.note(traced);
  }
  Instant now() { return {++x_milliseconds * 1'000'000}; }
  ConnectionFacts look(uint64_t inode, int fd = 5, Kind kind = Kind::kTcp) {
    const Instant began = now();
    ConnectionFacts facts;
    facts.id = {inode, 1};
    facts.kind = kind;
    facts.inode = inode;
    facts.before_attach = from_before;
    tracker.complete(facts, {{kService, fd}}, began);
    gone.clear();
    tracker.finish_look(began, [this](const Closed& closed) { gone.push_back(closed); });
    return facts;
  }

  explicit Calls(ToldCalls told = ToldCalls::kAll) : tracker(told) {}
  bool from_before = false;  // as a look says
  Tracker tracker;
  std::vector<Closed> gone;

 private:
  int64_t x_milliseconds = 0;
};

TEST(Tracker, an_opening_is_known_by_the_next_call_of_its_thread) {
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

TEST(Tracker, two_openings_that_could_be_meant_leave_the_stack_open) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.opens(__NR_socket, 2, 200);
  EXPECT_EQ(calls.look(777).opened.stack, kNoStack);
}

TEST(Tracker, two_openings_by_the_same_code_are_one) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.opens(__NR_socket, 2, 100);
  EXPECT_EQ(calls.look(777).opened.stack, 100U);
}

TEST(Tracker, another_thread_may_use_it_first) {
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

TEST(Tracker, the_last_requests_with_different_stacks_are_kept) {
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

TEST(Tracker, one_that_came_and_went_between_two_looks_is_told) {
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

TEST(Tracker, openings_in_a_row_are_told_apart_by_the_numbers_that_they_gave) {
  Calls calls;
  const Instant first = calls.opens(__NR_openat, 1, 100);
  calls.gave(1, first, 5, Kind::kFile);
  const Instant second = calls.opens(__NR_openat, 1, 200);
  calls.gave(1, second, 6, Kind::kFile);
  EXPECT_EQ(calls.tracker.opened(), 2U);
  const Instant began = calls.now();
  for (const int fd : {5, 6}) {
    ConnectionFacts facts;
    facts.id = {static_cast<uint64_t>(fd), 1};
    facts.kind = Kind::kFile;
    calls.tracker.complete(facts, {{kService, fd}}, began);
    EXPECT_EQ(facts.opened.stack, fd == 5 ? 100U : 200U);
  }
  EXPECT_EQ(calls.tracker.opened(), 2U);
}

TEST(Tracker, a_number_is_given_by_the_opening_of_that_moment_and_kind_alone) {
  Calls calls;
  const Instant first = calls.opens(__NR_openat, 1, 100);
  calls.opens(__NR_eventfd2, 1, 200);
  calls.gave(1, first, 5, Kind::kFile);  // too late: the thread has opened something else since
  EXPECT_EQ(calls.tracker.opened(), 0U);
  calls.gave(1, calls.opens(__NR_eventfd2, 2, 300), 6, Kind::kPipe);
  EXPECT_EQ(calls.tracker.opened(), 0U);
}

TEST(Tracker, a_number_that_is_given_again_is_another_file) {
  Calls calls;
  calls.gave(1, calls.opens(__NR_openat, 1, 100), 5, Kind::kFile);
  calls.names(CallKind::kCloses, 1, 0, 101);
  calls.gave(1, calls.opens(__NR_openat, 1, 200), 5, Kind::kFile);
  EXPECT_EQ(calls.look(0, 5, Kind::kFile).opened.stack, 200U);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].facts.opened.stack, 100U);
  EXPECT_EQ(calls.tracker.opened(), 2U);
}

TEST(Tracker, what_an_ended_process_left_is_what_it_was_told_to_have_opened_and_not_closed) {
  Calls calls;
  calls.gave(1, calls.opens(__NR_openat, 1, 100), 5, Kind::kFile);
  calls.gave(1, calls.opens(__NR_openat, 1, 200), 6, Kind::kFile);
  calls.opens(__NR_socket, 1, 300);
  calls.names(CallKind::kSends, 1, 777, 301, 7);
  calls.names(CallKind::kCloses, 1, 0, 101, 5);
  const auto left = calls.tracker.left_by(kService);
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].facts.opened.stack, 200U);
  EXPECT_EQ(left[0].place, (Descriptor{kService, 6}));
  EXPECT_EQ(left[1].facts.opened.stack, 300U);
  EXPECT_EQ(left[1].place.fd, 7);
  EXPECT_TRUE(calls.tracker.left_by({43, 8}).empty());
}

TEST(Tracker, each_end_of_a_pipe_is_given) {
  Calls calls;
  const Instant at = calls.opens(__NR_pipe2, 1, 100);
  calls.gave(1, at, 5, Kind::kPipe);
  calls.gave(1, at, 6, Kind::kPipe);
  calls.opens(__NR_pipe2, 2, 200);
  EXPECT_EQ(calls.tracker.opened(), 2U);
  EXPECT_EQ(calls.look(0, 6, Kind::kPipe).opened.stack, 100U);
}

// 5 was open when the service began.
TEST(Tracker, what_the_service_was_given_nobody_opened) {
  Calls calls;
  calls.tracker.was_given({kService, 5}, 0);
  calls.tracker.was_given({kService, 6}, 777);
  calls.opens(__NR_openat, 1, 100);
  calls.opens(__NR_socket, 2, 100);
  calls.from_before = true;
  auto facts = calls.look(0, 5, Kind::kFile);
  EXPECT_TRUE(facts.before_attach);
  EXPECT_EQ(facts.opened.stack, kNoStack);
  facts = calls.look(777, 6);
  EXPECT_TRUE(facts.before_attach);
  EXPECT_EQ(calls.tracker.opened(), 0U);
}

TEST(Tracker, a_copy_of_what_the_service_was_given_is_the_copiers) {
  Calls calls;
  calls.tracker.was_given({kService, 5}, 0);
  calls.names(CallKind::kCloses, 1, 0, 101, 6);
  auto traced = calls.made(CallKind::kCopies, __NR_dup, 1, 200);
  traced.call.fd = 5;
  traced.call.on = {true, false, 0, Kind::kFile, {}};
  calls.tracker.note(traced);
  calls.gave(1, traced.call.at, 6, Kind::kFile);
  const auto facts = calls.look(0, 6, Kind::kFile);
  EXPECT_EQ(facts.opened.stack, 200U);
  EXPECT_FALSE(facts.before_attach);
}

TEST(Tracker, a_standard_stream_that_was_put_back_is_what_the_service_was_given) {
  Calls calls;
  calls.tracker.was_given({kService, 1}, 0);
  auto traced = calls.made(CallKind::kCopies, __NR_dup2, 1, 200);
  traced.call.fd = 1;
  traced.call.on = {true, false, 0, Kind::kFile, {}};
  traced.call.arguments = {1, 1};
  calls.tracker.note(traced);
  calls.gave(1, traced.call.at, 1, Kind::kFile);
  calls.from_before = true;
  const auto facts = calls.look(0, 1, Kind::kFile);
  EXPECT_TRUE(facts.before_attach);
  EXPECT_EQ(facts.opened.stack, kNoStack);
}

// posix_spawn: the child calls before its parent does again.
TEST(Tracker, a_number_that_was_another_files_just_before_the_fork_is_not_taken_for_it) {
  Calls calls;
  const Instant forked = calls.now();  // as the kernel tells it: early
  calls.gave(1, calls.opens(__NR_openat, 1, 100), 5, Kind::kFile);
  calls.names(CallKind::kCloses, 1, 0, 101);
  calls.opens(__NR_openat, 1, 200);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, forked);
  ConnectionFacts facts;
  facts.id = {9, 1};
  facts.kind = Kind::kFile;
  calls.tracker.complete(facts, {{child, 5}}, calls.now());
  EXPECT_EQ(facts.opened.stack, kNoStack);
}

// As a shell's standard output is, behind popen.
TEST(Tracker, a_childs_copy_of_what_its_parent_has_opened_was_opened_by_its_parent) {
  Calls calls;
  calls.gave(1, calls.opens(__NR_pipe2, 1, 100), 5, Kind::kPipe);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, calls.now());
  auto traced = calls.made(CallKind::kCopies, __NR_dup2, 9, 200);
  traced.process = child;
  traced.call.fd = 5;
  traced.call.on = {true, false, 0, Kind::kPipe, {}};
  traced.call.arguments = {5, 1};
  calls.tracker.note(traced);
  auto given = calls.made(CallKind::kGave, 0, 9, kNoStack);
  given.process = child;
  given.call.at = given.use.at = traced.call.at;
  given.call.fd = 1;
  given.call.on = {true, false, 0, Kind::kPipe, {}};
  calls.tracker.note(given);
  ConnectionFacts facts;
  facts.id = {9, 1};
  facts.kind = Kind::kPipe;
  facts.opener = child;
  calls.tracker.complete(facts, {{child, 1}}, calls.now());
  EXPECT_EQ(facts.opened.stack, 100U);
  EXPECT_EQ(facts.opener, kService);
}

TEST(Tracker, a_number_that_the_service_was_given_and_closed_is_another_file_later) {
  Calls calls;
  calls.tracker.was_given({kService, 5}, 0);
  calls.names(CallKind::kCloses, 1, 0, 101);
  EXPECT_EQ(calls.tracker.opened(), 0U);
  calls.gave(1, calls.opens(__NR_openat, 1, 100), 5, Kind::kFile);
  calls.from_before = true;  // it looks the same
  const auto facts = calls.look(0, 5, Kind::kFile);
  EXPECT_EQ(facts.opened.stack, 100U);
  EXPECT_FALSE(facts.before_attach);
  EXPECT_EQ(calls.tracker.opened(), 1U);
  EXPECT_TRUE(calls.gone.empty());
}

TEST(Tracker, a_closed_number_that_is_named_again_is_another_file) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  calls.names(CallKind::kCloses, 1, 0, 101);
  calls.opens(__NR_openat, 1, 200);
  const auto facts = calls.look(0, 5, Kind::kFile);
  EXPECT_EQ(facts.opened.stack, 200U);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].facts.opened.stack, 100U);
}

TEST(Tracker, a_closed_number_is_told_once_where_the_look_misses_it_too) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  const ConnectionId id = calls.look(0, 5, Kind::kFile).id;
  calls.names(CallKind::kCloses, 1, 0, 101);
  calls.opens(__NR_openat, 1, 200);
  calls.names(CallKind::kCloses, 1, 0, 201);
  const auto closed = calls.tracker.closed(id);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->closed_by.stack, 101U);
  EXPECT_EQ(closed->facts.id, id);
  calls.look(1);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].closed_by.stack, 201U);
  EXPECT_EQ(calls.tracker.closed_unseen(), 1U);
}

TEST(Tracker, both_ends_of_a_pipe_have_its_opening_also_when_one_is_named_at_once) {
  Calls calls;
  calls.opens(__NR_pipe2, 1, 100);
  auto traced = calls.made(CallKind::kCloses, __NR_close, 1, 101);
  traced.call.fd = 6;
  traced.call.on = {true, false, 0, Kind::kPipe, {}};
  calls.tracker.note(traced);
  EXPECT_EQ(calls.look(0, 5, Kind::kPipe).opened.stack, 100U);
}

TEST(Tracker, a_number_is_matched_by_what_it_is_open_on) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  calls.opens(__NR_eventfd2, 1, 200);
  calls.opens(__NR_epoll_create1, 1, 300);
  calls.names(CallKind::kCloses, 1, 0, 101);  // of the file
  calls.look(1);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].facts.opened.stack, 100U);
}

TEST(Tracker, one_that_another_process_still_holds_is_not_closed) {
  Calls calls;
  calls.opens(__NR_socket, 1, 100);
  calls.names(CallKind::kConnects, 1, 777, 101);
  calls.names(CallKind::kCloses, 1, 777, 102);
  const auto facts = calls.look(777);
  EXPECT_TRUE(calls.gone.empty());
  EXPECT_FALSE(calls.tracker.closed(facts.id));
}

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

// A file that the service opens and looks at, and a child that has it too.
class Inherited : public testing::Test {
 protected:
  static constexpr int kFd = 5;
  void SetUp() override {
    calls.opens(__NR_openat, 1, 100);
    EXPECT_EQ(look({{kService, kFd}}).opened.stack, 100U);
    calls.tracker.begin(kChild, kService, calls.now());
  }
  void closes(const ProcessId& process, StackId stack) {
    auto traced = calls.made(CallKind::kCloses, __NR_close, 9, stack);
    traced.process = process;
    traced.call.fd = kFd;
    traced.call.on = {true, false, 0, Kind::kFile, {}};
    calls.tracker.note(traced);
  }
  ConnectionFacts look(const std::vector<Descriptor>& descriptors) {
    const Instant began = calls.now();
    ConnectionFacts facts;
    facts.id = {7, 1};
    facts.kind = Kind::kFile;
    facts.opener = kService;
    if (!descriptors.empty()) calls.tracker.complete(facts, descriptors, began);
    calls.tracker.finish_look(began, [this](const Closed& one) { calls.gone.push_back(one); });
    return facts;
  }
  const ProcessId kChild{43, 8};
  Calls calls;
};

TEST_F(Inherited, what_a_child_closes_is_neither_opened_nor_closed) {
  closes(kChild, 200);
  EXPECT_EQ(look({{kService, kFd}}).opened.stack, 100U);
  EXPECT_EQ(calls.tracker.opened(), 1U);
  EXPECT_EQ(calls.tracker.closed_unseen(), 0U);
  EXPECT_TRUE(calls.gone.empty());
  EXPECT_FALSE(calls.tracker.closed({7, 1}));
}

TEST_F(Inherited, what_a_child_was_seen_to_have_is_closed_by_it_without_a_word_too) {
  look({{kService, kFd}, {kChild, kFd}});
  closes(kChild, 200);
  EXPECT_EQ(look({{kService, kFd}}).opened.stack, 100U);
  EXPECT_EQ(calls.tracker.opened(), 1U);
  EXPECT_TRUE(calls.gone.empty());
}

TEST_F(Inherited, what_the_parent_has_closed_is_still_known_by_its_opening) {
  closes(kService, 200);
  EXPECT_EQ(look({{kChild, kFd}}).opened.stack, 100U);
  EXPECT_EQ(look({{kChild, kFd}}).opened.stack, 100U);
  EXPECT_EQ(calls.tracker.opened(), 1U);
  EXPECT_TRUE(calls.gone.empty());
  closes(kChild, 300);
  const auto closed = calls.tracker.closed({7, 1});
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->closed_by.stack, 300U);
  EXPECT_EQ(closed->facts.opened.stack, 100U);
}

// The child is noticed late.
TEST(Tracker, what_the_parent_has_closed_since_the_fork_was_inherited_before_it_not) {
  Calls calls;
  calls.gave(1, calls.opens(__NR_eventfd2, 1, 100), 5, Kind::kEventfd);
  calls.gave(1, calls.opens(__NR_eventfd2, 1, 200), 6, Kind::kEventfd);
  const auto closes = [&](int fd) {
    auto traced = calls.made(CallKind::kCloses, __NR_close, 1, 300);
    traced.call.fd = fd;
    traced.call.on = {true, false, 0, Kind::kEventfd, {}};
    calls.tracker.note(traced);
  };
  closes(5);
  const Instant forked = calls.now();
  closes(6);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, forked);
  const Instant began = calls.now();
  for (const int fd : {5, 6}) {
    ConnectionFacts facts;
    facts.id = {static_cast<uint64_t>(fd), 1};
    facts.kind = Kind::kEventfd;
    calls.tracker.complete(facts, {{child, fd}}, began);
    EXPECT_EQ(facts.opened.stack, fd == 6 ? 200U : kNoStack);
    EXPECT_EQ(facts.opener == kService, fd == 6);
  }
}

// Another file by now, and nobody has told of it.
TEST(Tracker, what_a_child_has_under_a_number_of_its_parents_must_look_like_its_parents) {
  Calls calls;
  calls.gave(1, calls.opens(__NR_pipe2, 1, 100), 5, Kind::kPipe);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, calls.now());
  ConnectionFacts facts;
  facts.id = {9, 1};
  facts.kind = Kind::kTimerfd;
  calls.tracker.complete(facts, {{child, 5}}, calls.now());
  EXPECT_EQ(facts.opened.stack, kNoStack);
}

TEST_F(Inherited, a_number_that_the_parent_uses_again_leaves_the_child_what_it_was) {
  look({{kService, kFd}, {kChild, kFd}});
  closes(kService, 200);
  closes(kService, 201);  // of another file
  EXPECT_EQ(look({{kChild, kFd}}).opened.stack, 100U);
  ASSERT_EQ(calls.gone.size(), 1U);
  EXPECT_EQ(calls.gone[0].closed_by.stack, 201U);
}

TEST_F(Inherited, what_a_child_runs_does_not_make_the_parent_forget) {
  calls.tracker.forget_numbers(kChild, 3, 100);
  closes(kService, 200);
  const auto closed = calls.tracker.closed({7, 1});
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->closed_by.stack, 200U);
}

TEST(Tracker, a_childs_own_file_under_a_number_of_its_parents_is_opened_anew) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  calls.look(0, 5, Kind::kFile);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, calls.now());
  ConnectionFacts facts;
  facts.id = {9, 2};
  facts.kind = Kind::kEventfd;
  calls.tracker.complete(facts, {{child, 5}}, calls.now());
  EXPECT_EQ(facts.opened.stack, kNoStack);
  EXPECT_EQ(calls.tracker.opened(), 2U);
}

TEST(Tracker, what_the_parent_opened_under_a_number_not_yet_known_is_counted_once) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, calls.now());
  auto traced = calls.made(CallKind::kCloses, __NR_close, 9, 200);
  traced.process = child;
  traced.call.fd = 5;
  traced.call.on = {true, false, 0, Kind::kFile, {}};
  calls.tracker.note(traced);
  EXPECT_EQ(calls.look(0, 5, Kind::kFile).opened.stack, 100U);
  EXPECT_EQ(calls.tracker.opened(), 1U);
  EXPECT_TRUE(calls.gone.empty());
}

TEST(Tracker, what_the_parent_opened_is_the_parents_where_a_child_alone_is_seen_to_have_it) {
  Calls calls;
  calls.opens(__NR_openat, 1, 100);
  const ProcessId child{43, 8};
  calls.tracker.begin(child, kService, calls.now());
  ConnectionFacts facts;
  facts.id = {9, 1};
  facts.kind = Kind::kFile;
  facts.opener = child;
  calls.tracker.complete(facts, {{child, 5}}, calls.now());
  EXPECT_EQ(facts.opened.stack, 100U);
  EXPECT_EQ(facts.opener, kService);
}

}  // namespace
}  // namespace unclosed
