// What children have from their parents.
#include "collect/seccomp/tracker_calls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace unclosed {
namespace {

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
