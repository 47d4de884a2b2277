#include "cli/machine.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <algorithm>

namespace unclosed {
namespace {

using testing::HasSubstr;

MachineFacts good_machine() {
  MachineFacts facts;
  facts.release = "6.12.0";
  facts.types = facts.syscall_tracepoints = facts.uprobe_multi = facts.socket_tracepoints = true;
  facts.user_notification = facts.others_readable = true;
  facts.debuginfod_urls = facts.debuginfod_library = true;
  facts.tracefs = TraceFs::kThere;
  facts.capabilities = ~uint64_t{0};
  return facts;
}

MachineCheck check(const MachineFacts& facts, const std::string& name) {
  const auto checks = weigh_machine(facts);
  const auto found =
      std::find_if(checks.begin(), checks.end(), [&](const auto& it) { return it.name == name; });
  return found == checks.end() ? MachineCheck{} : *found;
}

TEST(Machine, where_all_is_there_nothing_is_to_mend) {
  for (const auto& one : weigh_machine(good_machine())) {
    EXPECT_EQ(one.standing, Standing::kOk) << one.name;
    EXPECT_EQ(one.remedy, "") << one.name;
    EXPECT_NE(one.why, "") << one.name;
  }
  EXPECT_TRUE(rungs_of(good_machine()).front().works);
}

TEST(Machine, each_fault_has_its_remedy) {
  MachineFacts facts;
  facts.ptrace_scope = 3;
  facts.locked_memory = 1 << 16;
  facts.sock_diag_notes = {"tcp sockets were not seen: No such file or directory"};
  facts.hooks = facts.listing = {"no BTF", "UC-E005", false};
  for (const auto& one : weigh_machine(facts)) {
    if (one.name == "kernel") continue;
    EXPECT_NE(one.standing, Standing::kOk) << one.name;
    EXPECT_NE(one.remedy, "") << one.name;
  }
  EXPECT_FALSE(rungs_of(facts).front().works);
  EXPECT_TRUE(rungs_of(facts).back().works);
  EXPECT_THAT(check(facts, "hooks").remedy, HasSubstr("unclosed explain UC-E005"));
}

TEST(Machine, a_sandbox_that_listens_already_is_told_from_one_that_refuses) {
  auto facts = good_machine();
  facts.listener_refused = EBUSY;
  EXPECT_THAT(check(facts, "user notification").remedy, HasSubstr("outside"));
  facts.listener_refused = EPERM;
  EXPECT_THAT(check(facts, "user notification").remedy, HasSubstr("seccomp profile"));
  EXPECT_FALSE(rungs_of(facts)[1].works);
}

TEST(Machine, four_capabilities_are_needed_and_the_fifth_is_not) {
  auto facts = good_machine();
  facts.capabilities =
      1ULL << CAP_BPF | 1ULL << CAP_PERFMON | 1ULL << CAP_SYS_PTRACE | 1ULL << CAP_DAC_READ_SEARCH;
  EXPECT_EQ(check(facts, "CAP_BPF").standing, Standing::kOk);
  EXPECT_EQ(check(facts, "CAP_SYS_ADMIN").standing, Standing::kLimited);
  facts.capabilities = 0;
  EXPECT_EQ(check(facts, "CAP_PERFMON").standing, Standing::kMissing);
  EXPECT_THAT(check(facts, "CAP_PERFMON").remedy, HasSubstr("setcap"));
}

TEST(Machine, where_a_capability_does_not_pass_over_a_setting_the_setting_is_to_be_changed) {
  auto facts = good_machine();
  facts.perf_event_paranoid = 3;
  EXPECT_EQ(check(facts, "perf_event_paranoid").standing, Standing::kOk);
  facts.capabilities = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON;
  EXPECT_EQ(check(facts, "perf_event_paranoid").standing, Standing::kOk) << "the hooks worked";
  facts.hooks = {"tracepoint sys_exit_socket: Permission denied", "UC-E006", true};
  EXPECT_EQ(check(facts, "perf_event_paranoid").standing, Standing::kLimited);
  EXPECT_THAT(check(facts, "perf_event_paranoid").remedy, HasSubstr("perf_event_paranoid=2"));
}

TEST(Machine, a_tracefs_that_is_not_mounted_is_mounted_and_one_that_is_hidden_is_not) {
  auto facts = good_machine();
  facts.tracefs = TraceFs::kNotMounted;
  EXPECT_THAT(check(facts, "tracefs").remedy, HasSubstr("mount -t tracefs"));
  facts.hooks = {"mount -t tracefs: Operation not permitted", "UC-E004", true};
  EXPECT_THAT(check(facts, "hooks").remedy, HasSubstr("mount -t tracefs"));
  facts.tracefs = TraceFs::kUnreadable;
  EXPECT_THAT(check(facts, "tracefs").remedy, HasSubstr("cap_dac_read_search"));
}

}  // namespace
}  // namespace unclosed
