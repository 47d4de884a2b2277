#include "collect/seccomp/tracker_calls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace unclosed {
namespace {

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
  EXPECT_EQ(facts.opened.stack, 200U);
  ASSERT_TRUE(facts.copied_from);
  EXPECT_EQ(facts.copied_from->stack, 100U);
  EXPECT_EQ(facts.opener, kService);
}

TEST(Tracker, a_copy_of_a_copy_was_opened_where_the_first_was) {
  Calls calls;
  calls.gave(1, calls.opens(__NR_openat, 1, 100), 5, Kind::kFile);
  const auto copy = [&](int from, int to, StackId stack) {
    auto traced = calls.made(CallKind::kCopies, __NR_dup, 1, stack);
    traced.call.fd = from;
    traced.call.on = {true, false, 0, Kind::kFile, {}};
    calls.tracker.note(traced);
    calls.gave(1, traced.call.at, to, Kind::kFile);
  };
  copy(5, 6, 200);
  copy(6, 7, 300);
  const auto copy_of_copy = calls.look(0, 7, Kind::kFile);
  EXPECT_EQ(copy_of_copy.opened.stack, 300U);
  EXPECT_EQ(copy_of_copy.copied_from->stack, 100U);
}

TEST(Tracker, what_nothing_that_was_opened_can_have_given_a_message_has_brought) {
  Calls calls;
  calls.tracker.note(calls.made(CallKind::kReceives, __NR_recvmsg, 1, 100));
  calls.gave(1, calls.opens(__NR_openat, 1, 200), 5, Kind::kFile);
  const auto received = calls.look(0, 6, Kind::kPipe);
  EXPECT_EQ(received.opened.stack, 100U);
  ASSERT_TRUE(received.copied_from);  // by whom it was opened is not known
  EXPECT_EQ(received.copied_from->stack, kNoStack);
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

}  // namespace
}  // namespace unclosed
