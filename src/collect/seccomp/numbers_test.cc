#include "collect/seccomp/numbers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <map>
#include <set>
#include <utility>

namespace unclosed {
namespace {

// A process whose table is ours to change between two calls.
class Table {
 public:
  Table() {
    for (const int fd : {0, 1, 2}) open[fd] = Kind::kFile;
  }
  // The numbers that the call shows to have been given, each with the thread that opened it.
  std::vector<std::pair<int, uint32_t>> call(CallKind kind, int number, uint32_t thread,
                                             int fd = -1, uint64_t second = 0, uint64_t third = 0) {
    Call call;
    call.kind = kind;
    call.number = number;
    call.thread = thread;
    call.process = 42;
    call.at = {++x_moment};
    call.fd = fd;
    call.arguments = {static_cast<uint64_t>(fd), second};
    if (fd >= 0) call.on = look(fd);
    std::vector<std::pair<int, uint32_t>> told;
    for (const Call& gave : numbers.note(call, third)) {
      EXPECT_EQ(gave.kind, CallKind::kGave);
      told.emplace_back(gave.fd, gave.thread);
    }
    return told;
  }
  auto opens(uint32_t thread, int number = __NR_openat) {
    return call(CallKind::kOpens, number, thread);
  }
  auto ends(uint32_t thread) { return call(CallKind::kEnds, __NR_exit_group, thread); }
  OpenOn look(int fd) const {
    const auto found = open.find(fd);
    if (found == open.end()) return {};
    return {true, false, 0, found->second, {}};
  }

  bool is_busy(uint32_t thread) {
    if (thread != ends_at_look.first || --ends_at_look.second > 0) return busy.contains(thread);
    busy.erase(thread);
    open[lowest()] = Kind::kFile;
    ends_at_look = {};
    return false;
  }
  int lowest() const {
    int fd = 3;
    while (open.contains(fd)) ++fd;
    return fd;
  }

  std::map<int, Kind> open;
  std::set<uint32_t> busy;
  std::pair<uint32_t, int> ends_at_look;  // which of the busy ends, at which look at it
  Numbers numbers{[this](uint32_t, int fd) { return look(fd); },
                  [this](uint32_t thread) { return is_busy(thread); }, ToldCalls::kAll};

 private:
  int64_t x_moment = 0;
};

using Given = std::vector<std::pair<int, uint32_t>>;

TEST(Numbers, each_of_many_openings_in_a_row_has_its_number) {
  Table table;
  EXPECT_EQ(table.opens(1), Given{});
  for (int fd = 3; fd < 600; ++fd) {
    table.open[fd] = Kind::kFile;
    EXPECT_EQ(table.opens(1), (Given{{fd, 1}}));
  }
}

TEST(Numbers, an_opening_that_failed_gave_nothing) {
  Table table;
  table.opens(1);
  EXPECT_EQ(table.opens(1), Given{});
  table.open[3] = Kind::kFile;
  EXPECT_EQ(table.ends(1), (Given{{3, 1}}));
}

TEST(Numbers, what_was_closed_is_given_again) {
  Table table;
  table.open[3] = table.open[4] = table.open[5] = Kind::kFile;
  table.opens(1);
  table.open[6] = Kind::kFile;
  EXPECT_EQ(table.call(CallKind::kCloses, __NR_close, 1, 4), (Given{{6, 1}}));
  table.open.erase(4);
  table.opens(1);
  table.open[4] = Kind::kFile;
  EXPECT_EQ(table.ends(1), (Given{{4, 1}}));
}

TEST(Numbers, a_pipe_has_both_and_a_copy_the_first_from_where_it_was_asked) {
  Table table;
  table.open[4] = Kind::kFile;
  table.opens(1, __NR_pipe2);
  table.open[3] = table.open[5] = Kind::kPipe;
  EXPECT_EQ(table.call(CallKind::kCopies, __NR_fcntl, 1, 4, F_DUPFD, 50),
            (Given{{3, 1}, {5, 1}}));
  table.open[50] = Kind::kFile;
  EXPECT_EQ(table.call(CallKind::kCopies, __NR_dup2, 1, 4, 1), (Given{{50, 1}}));
  EXPECT_EQ(table.ends(1), (Given{{1, 1}}));
}

TEST(Numbers, of_two_that_open_at_once_neither_is_known) {
  Table table;
  table.busy = {1};
  table.opens(1);
  EXPECT_EQ(table.opens(2), Given{});
  table.open[3] = table.open[4] = Kind::kFile;
  EXPECT_EQ(table.ends(1), Given{});
  EXPECT_EQ(table.ends(2), Given{});
}

TEST(Numbers, one_that_ends_a_moment_later_is_waited_for) {
  Table table;
  table.busy = {1};
  table.ends_at_look = {1, 3};
  table.opens(1);
  EXPECT_EQ(table.opens(2), (Given{{3, 1}}));
  table.open[4] = Kind::kFile;
  EXPECT_EQ(table.ends(2), (Given{{4, 2}}));
}

TEST(Numbers, what_the_last_opening_gave_is_told_without_another_call) {
  Table table;
  table.opens(1);
  ASSERT_NE(table.numbers.unsettled(), 0U);
  EXPECT_TRUE(table.numbers.look_again().empty());
  table.open[3] = Kind::kFile;
  const auto given = table.numbers.look_again();
  ASSERT_EQ(given.size(), 1U);
  EXPECT_EQ(given[0].fd, 3);
  EXPECT_EQ(table.numbers.unsettled(), 0U);
  EXPECT_EQ(table.ends(1), Given{});
}

TEST(Numbers, while_a_message_may_bring_descriptors_no_number_is_sure) {
  Table table;
  table.busy = {2};
  table.call(CallKind::kReceives, __NR_recvmsg, 2, 9);
  table.opens(1);
  table.open[3] = Kind::kFile;
  EXPECT_EQ(table.ends(1), Given{});
}

TEST(Numbers, one_that_has_opened_before_another_begins_is_known) {
  Table table;
  table.busy = {1};
  table.opens(1);
  table.open[3] = Kind::kFile;
  EXPECT_EQ(table.opens(2), (Given{{3, 1}}));
  table.open[4] = Kind::kFile;
  EXPECT_EQ(table.call(CallKind::kSends, __NR_write, 3, 4), (Given{{4, 2}}));
}

TEST(Numbers, a_thread_that_failed_and_does_something_else_is_in_nobodys_way) {
  Table table;
  table.opens(1);
  table.opens(2);
  table.open[3] = Kind::kFile;
  EXPECT_EQ(table.ends(2), (Given{{3, 2}}));
}

TEST(Numbers, while_another_thread_closes_nothing_is_known_above) {
  Table table;
  table.open[3] = Kind::kFile;
  table.busy = {1};
  table.call(CallKind::kCloses, __NR_close, 1, 3);
  table.opens(2);
  table.open[4] = Kind::kFile;
  EXPECT_EQ(table.ends(2), Given{});
}

TEST(Numbers, a_socket_is_not_known_while_another_thread_accepts) {
  Table table;
  table.call(CallKind::kOpens, __NR_accept4, 1);
  table.opens(2, __NR_socket);
  table.open[3] = Kind::kOther;
  EXPECT_EQ(table.ends(2), Given{});
}

}  // namespace
}  // namespace unclosed
