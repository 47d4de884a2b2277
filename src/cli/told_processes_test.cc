#include "cli/told_processes.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

// A service, its worker, and three children that have ended; one of them has something listed.
class ToldProcesses : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [process, exe] : {std::pair{kService, "/srv/app"},
                                       {kWorker, "/srv/app"},
                                       {ProcessId{10, 1}, ""},
                                       {ProcessId{50, 6}, ""},
                                       {ProcessId{60, 7}, "/bin/sh"}}) {
      histories.processes[process] = {process, {}, {}, exe, {}, {}};
      report.judgement.limits.push_back({{"nofile", process, 5, 1024}, {}, Diagnosis::kUnknown});
      if (process != kService && process != kWorker) histories.ended[process] = {9};
    }
    Finding leak;
    leak.connections.resize(1);
    leak.connections[0].descriptor = {kService, 3};
    leak.connections[0].others = {{{60, 7}, 3}};
    report.judgement.findings = {leak};
  }
  std::vector<pid_t> told() {
    tell_processes(report, histories, {kService});
    std::vector<pid_t> pids;
    for (const auto& one : report.processes) pids.push_back(one.id.pid);
    return pids;
  }
  const ProcessId kService{42, 5}, kWorker{41, 6};
  Histories histories;
  Report report;
};

TEST_F(ToldProcesses, ended_children_are_counted_unless_something_of_them_is_listed) {
  EXPECT_EQ(told(), (std::vector<pid_t>{42, 41, 60}));
  EXPECT_EQ(report.ended_children, 2U);
}

TEST_F(ToldProcesses, limits_of_whom_was_asked_for_come_first_and_no_ended_childs) {
  told();
  ASSERT_EQ(report.judgement.limits.size(), 2U);
  EXPECT_EQ(report.judgement.limits[0].use.process, kService);
  EXPECT_EQ(report.judgement.limits[1].use.process, kWorker);
}

TEST_F(ToldProcesses, when_all_have_ended_those_asked_for_are_left) {
  histories.ended[kService] = histories.ended[kWorker] = {9};
  EXPECT_EQ(told(), (std::vector<pid_t>{42, 60}));
  ASSERT_EQ(report.judgement.limits.size(), 1U);
  EXPECT_EQ(report.judgement.limits[0].use.process, kService);
}

TEST_F(ToldProcesses, a_command_that_ended_before_it_was_read_is_told_as_it_was_started) {
  const ProcessInfo started{kService, {}, {}, "/usr/bin/true", {"true"}, {}};
  histories.processes[kService] = {kService, {}, {}, "", {}, "native"};
  tell_unread(histories, started);
  EXPECT_EQ(histories.processes[kService].exe, "/usr/bin/true");
  histories.processes.erase(kService);
  tell_unread(histories, started);
  EXPECT_EQ(histories.processes[kService].command, std::vector<std::string>{"true"});
}

TEST_F(ToldProcesses, what_a_command_has_become_by_an_exec_stands) {
  tell_unread(histories, {kService, {}, {}, "/usr/bin/env", {"env", "app"}, {}});
  EXPECT_EQ(histories.processes[kService].exe, "/srv/app");
}

}  // namespace
}  // namespace unclosed
