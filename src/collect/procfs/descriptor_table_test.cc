#include "collect/procfs/descriptor_table.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

ListedDescriptor found(const DescriptorTable::Part& part, const Fd& fd) {
  for (const auto& one : part.descriptors) {
    if (one.fd == fd.get()) return one;
  }
  return {};
}

TEST(DescriptorTable, tells_every_kind_by_its_link) {
  const std::string fifo = testing::TempDir() + "unclosed_fifo_" + std::to_string(::getpid());
  ::mkfifo(fifo.c_str(), 0600);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  sigset_t none;
  ::sigemptyset(&none);
  const Fd pipe(ends[0]), other_end(ends[1]), event(::eventfd(0, 0)), poll(::epoll_create1(0)),
      timer(::timerfd_create(CLOCK_MONOTONIC, 0)), signals(::signalfd(-1, &none, 0)),
      watch(::inotify_init()), memory(::memfd_create("m", 0)), named(::open(fifo.c_str(), O_RDWR)),
      file(::open("/dev/null", O_RDONLY)), socket(::socket(AF_NETLINK, SOCK_RAW, 0)),
      tcp(::socket(AF_INET, SOCK_STREAM, 0));
  const auto process = ProcFs().identify(::getpid());
  ASSERT_TRUE(process);
  const auto table = DescriptorTable::open(*process);
  ASSERT_TRUE(table) << table.error().context;
  const auto part = table->read(0, DescriptorTable::kEnd, DescriptorTable::Names::kRead);
  ASSERT_TRUE(part);
  EXPECT_EQ(found(*part, pipe).kind, Kind::kPipe);
  EXPECT_EQ(found(*part, event).kind, Kind::kEventfd);
  EXPECT_EQ(found(*part, poll).kind, Kind::kEpoll);
  EXPECT_EQ(found(*part, timer).kind, Kind::kTimerfd);
  EXPECT_EQ(found(*part, signals).kind, Kind::kSignalfd);
  EXPECT_EQ(found(*part, watch).kind, Kind::kInotify);
  EXPECT_EQ(found(*part, memory).kind, Kind::kMemfd);
  EXPECT_EQ(found(*part, named).kind, Kind::kFifo);
  EXPECT_EQ(found(*part, file).kind, Kind::kFile);
  EXPECT_EQ(part->names.at(found(*part, file).name - 1), "/dev/null");
  EXPECT_TRUE(found(*part, socket).socket);
  struct stat status {};
  ::fstat(tcp.get(), &status);
  EXPECT_EQ(found(*part, tcp).inode, status.st_ino);
  EXPECT_EQ(kind_of_protocol(table->protocol(socket.get()).value_or("")), Kind::kNetlink);
  EXPECT_EQ(kind_of_protocol(table->protocol(tcp.get()).value_or("")), Kind::kTcp);
  ::unlink(fifo.c_str());
}

TEST(DescriptorTable, a_number_closed_meanwhile_is_left_out) {
  Fd file(::open("/dev/null", O_RDONLY));
  const int number = file.get();
  const auto process = ProcFs().identify(::getpid());
  ASSERT_TRUE(process);
  const auto table = DescriptorTable::open(*process);
  ASSERT_TRUE(table);
  file.reset();
  const auto part = table->read(0, DescriptorTable::kEnd, DescriptorTable::Names::kSkip);
  ASSERT_TRUE(part);
  EXPECT_TRUE(std::none_of(part->descriptors.begin(), part->descriptors.end(),
                           [&](const auto& one) { return one.fd == number; }));
  const auto link = table->link(number);
  ASSERT_TRUE(link);
  EXPECT_FALSE(link->has_value());
}

// Also where the numbers have gaps, and in parts that begin and end anywhere.
TEST(DescriptorTable, every_number_is_told_once_whatever_parts_it_is_read_in) {
  std::vector<Fd> open;
  for (int i = 0; i < 900; ++i) open.emplace_back(::eventfd(0, 0));
  const Fd far(::fcntl(open.front().get(), F_DUPFD_CLOEXEC, 1000));
  std::vector<int> expected = {far.get()};
  for (size_t i = 0; i < open.size(); ++i) {
    if (i % 5 == 2 || (i >= 300 && i < 700)) {
      open[i].reset();
    } else {
      expected.push_back(open[i].get());
    }
  }
  std::sort(expected.begin(), expected.end());
  const auto table = DescriptorTable::open(ProcFs().identify(::getpid()).value_or(ProcessId{}));
  ASSERT_TRUE(table);
  for (const int size : {1, 7, 250, 2000}) {
    std::vector<int> seen;
    for (int first = 0; first < 1200; first += size) {
      const int last = first + size < 1200 ? first + size : DescriptorTable::kEnd;
      const auto part = table->read(first, last, DescriptorTable::Names::kSkip);
      ASSERT_TRUE(part);
      for (const auto& one : part->descriptors) {
        if (one.kind == Kind::kEventfd) seen.push_back(one.fd);
      }
    }
    EXPECT_EQ(seen, expected) << size;
  }
}

TEST(DescriptorTable, another_process_of_the_same_number_is_gone) {
  const auto table = DescriptorTable::open({::getpid(), 1});
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().kind, ErrorKind::kGone);
}

TEST(DescriptorTable, a_path_is_no_kind_of_its_own) {
  EXPECT_EQ(kind_of_link("/tmp/pipe:[3]"), Kind::kFile);
  EXPECT_EQ(kind_of_link("/memfd:x (deleted)"), Kind::kMemfd);
  EXPECT_EQ(kind_of_link("anon_inode:[io_uring]"), Kind::kOther);
  EXPECT_EQ(kind_of_link("anon_inode:inotify"), Kind::kInotify);
  EXPECT_EQ(kind_of_link("net:[4026531840]"), Kind::kFile);
}

}  // namespace
}  // namespace unclosed
