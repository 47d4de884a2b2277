#include "judge/left_open.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

NamedFrame own(const char* function, uint32_t line) {
  return {function, "/src/x.c", line, "x", true, false};
}
NamedFrame foreign(const char* function) { return {function, "", 0, "lib", false, false}; }

History opened(StackId stack, Kind kind = Kind::kFile) {
  History history;
  history.facts.kind = kind;
  history.facts.opened.stack = stack;
  return history;
}

NamedStack stack(std::vector<NamedFrame> frames) {
  NamedStack named;
  named.frames = std::move(frames);
  return named;
}

const StackBook kStacks = {
    {1, stack({foreign("open"), own("helper", 4), own("bad", 9), own("main", 20)})},
    {2, stack({foreign("open"), own("helper", 4), own("worse", 12), own("main", 21)})},
    {3, stack({foreign("open"), own("main", 30)})},
    {4, stack({foreign("open"), foreign("load")})},
    {5, stack({foreign("internal/runtime/syscall/linux.EpollCreate1"),
               foreign("runtime.netpollinit"), foreign("internal/poll.(*FD).Init"),
               own("main.get", 40)})},
    {6, stack({foreign("internal/runtime/syscall/linux.Syscall6"), foreign("syscall.openat"),
               own("main.load", 41), foreign("runtime.main")})},
    {7, stack({foreign("syscall.Socket"), foreign("net.(*sysListener).listenTCP"),
               own("main.serve", 44)})},
    {8, stack({foreign("open"), {"[unknown]+0x11f3", "", 0, "app", false, false}})},
    {9, stack({foreign("internal/runtime/syscall/linux.EpollCtl"), foreign("runtime.netpollopen"),
               foreign("net.(*netFD).init"), own("main.dial", 50)})}};

TEST(LeftOpen, each_line_has_its_own_count_and_a_helper_its_callers) {
  Histories histories;
  for (const StackId stack : {1, 2, 3, 1}) histories.open.push_back(opened(stack));
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].count, 2U);
  EXPECT_EQ(all[0].frames,
            (std::vector<Site>{
                {"helper", "/src/x.c", 4}, {"bad", "/src/x.c", 9}, {"main", "/src/x.c", 20}}));
  EXPECT_EQ(all[1].count, 1U);
  EXPECT_EQ(all[2].count, 1U);
}

TEST(LeftOpen, further_numbers_are_told_where_they_were_made) {
  Histories histories;
  histories.open.push_back(opened(3));
  auto& history = histories.open.back();
  history.facts.duplicated = Use{1, {}, {}};
  history.descriptors = {{{7, 1}, 4}, {{7, 1}, 5}, {{7, 1}, 6}};
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].count, 2U);
  EXPECT_TRUE(all[0].duplicated);
  EXPECT_EQ(all[0].frames.front().function, "helper");
  EXPECT_EQ(all[1].count, 1U);
  EXPECT_FALSE(all[1].duplicated);
}

TEST(LeftOpen, each_further_number_is_told_by_its_own_maker) {
  Histories histories;
  histories.open.push_back(opened(3));
  auto& history = histories.open.back();
  const ProcessId process{7, 1};
  history.facts.duplicated = Use{2, {}, {}};
  history.descriptors = {{process, 4}, {process, 5}, {process, 6}, {process, 1}};
  history.copies = {{{process, 5}, {1, {}, {}}, CopyHow::kDuplicated},
                    {{process, 6}, {2, {}, {}}, CopyHow::kReceived},
                    {{process, 1}, {2, {}, {}}, CopyHow::kDuplicated}};  // a standard stream
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 3U);
  for (const LeftOpen& place : all) {
    EXPECT_EQ(place.count, 1U);
    EXPECT_EQ(place.duplicated, place.frames.back().line == 20);
    EXPECT_EQ(place.received, place.frames.back().line == 21);
  }
}

TEST(LeftOpen, a_copy_of_what_was_there_before_is_told_and_the_first_is_not) {
  Histories histories;
  histories.open.push_back(opened(0));
  auto& history = histories.open.back();
  history.facts.before_attach = true;
  history.descriptors = {{{7, 1}, 1}, {{7, 1}, 5}};
  history.copies = {{{{7, 1}, 5}, {1, {}, {}}, CopyHow::kDuplicated}};
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].duplicated);
}

TEST(LeftOpen, where_each_number_counts_by_itself_the_copies_are_told_as_such) {
  Histories histories;
  histories.open = {opened(3), opened(1)};
  for (History& history : histories.open) history.facts.duplicated = Use{1, {}, {}};
  histories.open[1].facts.copied_from = Use{3, {}, {}};
  histories.open[1].descriptors = {{{7, 1}, 5}};
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_NE(all[0].duplicated, all[1].duplicated);
}

TEST(LeftOpen, what_a_command_was_started_with_is_not_told_of_it) {
  Histories histories;
  const ProcessId service{7, 1}, command{8, 2};
  histories.open = {opened(3), opened(1)};
  for (History& history : histories.open) history.descriptors = {{command, 5}};
  histories.open[0].facts.opener = service;
  histories.open[1].facts.opener = command;
  histories.executed = {command};
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].frames.front().function, "helper");
}

TEST(LeftOpen, what_ended_processes_left_is_counted_by_line) {
  Histories histories;
  histories.left_behind = {{1, Kind::kFile, Role::kUnknown, {7, 1}, 40},
                           {3, Kind::kPipe, Role::kUnknown, {7, 1}, 2}};
  const auto all = left_behind(histories, kStacks);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].count, 40U);
  EXPECT_EQ(all[0].frames.front().function, "helper");
}

TEST(LeftOpen, the_sum_is_all_that_was_opened_since_the_attach) {
  Histories histories;
  for (const StackId stack : {1, 4, 0, 99, 5}) histories.open.push_back(opened(stack));
  histories.open.front().stands_for = 50;
  histories.open.push_back(opened(1));
  histories.open.back().facts.before_attach = true;
  uint64_t sum = 0;
  for (const auto& place : left_open(histories, kStacks)) sum += place.count;
  EXPECT_EQ(sum, 54U);
}

TEST(LeftOpen, what_has_no_line_is_told_behind_the_lines_and_why) {
  Histories histories;
  for (const StackId stack : {0, 4, 4, 3}) histories.open.push_back(opened(stack));
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].by, OpenedBy::kOwnCode);
  EXPECT_EQ(all[1].by, OpenedBy::kNoOwnCode);
  EXPECT_EQ(all[1].count, 2U);
  EXPECT_EQ(all[2].by, OpenedBy::kUnseen);
}

TEST(LeftOpen, what_the_runtime_opens_for_itself_is_not_the_line_that_came_first) {
  Histories histories;
  for (const StackId stack : {5, 6}) histories.open.push_back(opened(stack));
  const auto all = left_open(histories, kStacks);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].frames, (std::vector<Site>{{"main.load", "/src/x.c", 41}}));
  EXPECT_EQ(all[1].by, OpenedBy::kRuntime);
  EXPECT_TRUE(all[1].frames.empty());
}

TEST(LeftOpen, what_is_put_into_the_runtimes_poller_is_not_the_runtimes) {
  Histories histories;
  histories.open = {opened(9, Kind::kTcp)};
  EXPECT_EQ(left_open(histories, kStacks).front().by, OpenedBy::kOwnCode);
}

TEST(LeftOpen, of_a_program_without_names_the_place_is_told) {
  Histories histories;
  histories.open = {opened(8)};
  histories.processes[{}].exe = "/srv/app";
  const auto all = left_open(histories, kStacks);
  EXPECT_EQ(all[0].by, OpenedBy::kNoOwnCode);
  EXPECT_EQ(all[0].frames, (std::vector<Site>{{"app+0x11f3", "", 0}}));
}

TEST(LeftOpen, kinds_and_listeners_are_told_apart) {
  Histories histories;
  histories.open = {opened(3), opened(3, Kind::kTcp), opened(3, Kind::kTcp)};
  histories.open[2].facts.role = Role::kListener;
  EXPECT_EQ(left_open(histories, kStacks).size(), 3U);
}

TEST(LeftOpen, a_go_listener_is_known_by_its_opening_where_no_scan_saw_it) {
  Histories histories;
  histories.open = {opened(7, Kind::kTcp)};
  EXPECT_EQ(left_open(histories, kStacks).front().role, Role::kListener);
}

}  // namespace
}  // namespace unclosed
