#include "collect/procfs/procfs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

namespace unclosed {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kTree = UNCLOSED_SOURCE_DIR "/tests/data/proc";
const ProcessId kApp{42, 9001};

TEST(ProcFs, a_process_is_its_pid_and_its_start) {
  const ProcFs proc(kTree);
  const auto id = proc.identify(42);
  ASSERT_TRUE(id) << id.error().context;
  EXPECT_EQ(*id, kApp);
}

TEST(ProcFs, a_pid_that_another_process_has_now_is_gone) {
  const ProcFs proc(kTree);
  const ProcessId earlier{42, 8000};
  EXPECT_FALSE(proc.alive(earlier));
  const auto info = proc.info(earlier);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().kind, ErrorKind::kGone);
}

TEST(ProcFs, a_pid_that_nobody_has_is_gone) {
  const auto id = ProcFs(kTree).identify(999);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().kind, ErrorKind::kGone);
}

TEST(ProcFs, a_torn_stat_is_corrupt_and_not_a_process) {
  const auto id = ProcFs(kTree).identify(45);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().kind, ErrorKind::kCorrupt);
}

TEST(ProcFs, a_name_with_parentheses_and_newlines_does_not_shift_the_fields) {
  const auto summary = ProcFs(kTree).summary(42);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->comm, "a) (b\nc");
  EXPECT_EQ(summary->parent, 1);
  EXPECT_EQ(summary->exe, "/srv/app");
}

TEST(ProcFs, the_command_is_shown_without_its_secrets) {
  const auto info = ProcFs(kTree).info(kApp);
  ASSERT_TRUE(info) << info.error().context;
  EXPECT_THAT(info->command, ElementsAre("/srv/app", "--password", "***", "--port=1"));
  EXPECT_EQ(info->exe, "/srv/app");
}

TEST(ProcFs, a_parent_younger_than_its_child_is_somebody_else) {
  const ProcFs proc(kTree);
  const auto child = proc.info({43, 9100});
  ASSERT_TRUE(child);
  EXPECT_EQ(child->parent, kApp);
  const auto orphan = proc.info(kApp);
  ASSERT_TRUE(orphan);
  EXPECT_FALSE(orphan->parent);
}

TEST(ProcFs, mappings_keep_spaces_newlines_and_deletion_apart) {
  const auto mappings = ProcFs(kTree).mappings(kApp);
  ASSERT_TRUE(mappings) << mappings.error().context;
  ASSERT_EQ(mappings->size(), 6U);
  const auto& text = mappings->at(0);
  EXPECT_EQ(text.start, 0x55d7bc4a2000U);
  EXPECT_EQ(text.end, 0x55d7bc4a8000U);
  EXPECT_EQ(text.offset, 0x2000U);
  EXPECT_EQ(text.device_major, 0xfeU);
  EXPECT_EQ(text.device_minor, 1U);
  EXPECT_EQ(text.inode, 247278U);
  EXPECT_TRUE(text.executable);
  EXPECT_FALSE(text.writable);
  EXPECT_EQ(mappings->at(1).path, "/srv/old name");
  EXPECT_TRUE(mappings->at(1).deleted);
  EXPECT_TRUE(mappings->at(1).writable);
  EXPECT_EQ(mappings->at(2).path, "/tmp/two\nlines");
  EXPECT_EQ(mappings->at(3).path, "");
  EXPECT_EQ(mappings->at(4).path, "[vdso]");
}

TEST(ProcFs, the_soft_limit_counts_and_unlimited_is_no_number) {
  const ProcFs proc(kTree);
  const auto limited = proc.nofile(kApp);
  ASSERT_TRUE(limited) << limited.error().context;
  EXPECT_EQ(limited->name, "nofile");
  EXPECT_EQ(limited->used, 5U);
  EXPECT_EQ(limited->max, 1024U);
  const auto unlimited = proc.nofile({43, 9100});
  ASSERT_TRUE(unlimited) << unlimited.error().context;
  EXPECT_FALSE(unlimited->max);
}

TEST(ProcFs, descriptors_are_ascending_and_links_tell_what_they_are) {
  const ProcFs proc(kTree);
  const auto numbers = proc.descriptors(kApp);
  ASSERT_TRUE(numbers);
  EXPECT_THAT(*numbers, ElementsAre(0, 3, 7, 10, 12));
  EXPECT_EQ(proc.link(kApp, 7).value(), "socket:[8123]");
  const auto closed = proc.link(kApp, 99);
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().kind, ErrorKind::kGone);
  EXPECT_THAT(proc.socket_inodes(kApp).value(), ElementsAre(77U, 8123U));
}

TEST(ProcFs, children_come_oldest_first_and_all_leaves_out_what_is_torn) {
  const ProcFs proc(kTree);
  const auto children = proc.children(kApp);
  ASSERT_TRUE(children);
  EXPECT_THAT(*children, ElementsAre(ProcessId{44, 9050}, ProcessId{43, 9100}));
}

TEST(ProcFs, our_own_process_is_as_we_know_it) {
  const ProcFs proc;
  const auto self = proc.identify(::getpid());
  ASSERT_TRUE(self);
  EXPECT_TRUE(proc.alive(*self));
  EXPECT_THAT(proc.all().value(), Contains(*self));
  const auto info = proc.info(*self);
  ASSERT_TRUE(info);
  EXPECT_THAT(info->exe, HasSubstr("procfs_test"));
  EXPECT_EQ(info->parent.value().pid, ::getppid());
  const auto age = monotonic_now() - info->started;
  EXPECT_GT(seconds(age), -0.02);
  EXPECT_LT(seconds(age), 600);
  EXPECT_EQ(proc.root_of(*self), "/proc/" + std::to_string(::getpid()) + "/root");
}

TEST(ProcFs, the_count_of_descriptors_follows_what_we_open) {
  const ProcFs proc;
  const auto self = proc.identify(::getpid()).value();
  const auto before = proc.nofile(self).value();
  const Fd one(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto after = proc.nofile(self).value();
  EXPECT_EQ(after.used, before.used + 1);
  EXPECT_THAT(proc.descriptors(self).value(), Contains(one.get()));
  EXPECT_EQ(proc.socket_inodes(self).value().size(), 1U);
}

TEST(ProcFs, a_child_is_seen_and_a_zombie_is_not_alive) {
  const ProcFs proc;
  const auto self = proc.identify(::getpid()).value();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto child = proc.identify(pid).value();
  EXPECT_TRUE(proc.alive(child));
  EXPECT_THAT(proc.children(self).value(), Contains(child));
  ::kill(pid, SIGKILL);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(proc.alive(child));
  EXPECT_TRUE(proc.info(child));  // a zombie has a name, but neither exe nor command
  ::waitpid(pid, nullptr, 0);
  const auto gone = proc.info(child);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::kGone);
}

TEST(ProcFs, a_process_of_another_user_is_denied_and_not_empty) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setuid(65534) != 0) ::_exit(9);
    const ProcFs proc;
    const auto target = proc.identify(1);
    const bool listed = proc.descriptors(*target).has_value();
    const auto denied = proc.info(*target);
    const auto counted = proc.nofile(*target);
    const auto summary = proc.summary(1);
    const bool right = !listed && !denied && denied.error().kind == ErrorKind::kDenied && summary &&
                       summary->exe.empty() && (!counted || counted->used > 0);
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace unclosed
