// The collector on the real kernel: a forked child does one thing at a time, the test looks at the
// records.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "collect/bpf/collector_fixture.h"

namespace unclosed {
namespace {

class CollectorTest : public BpfCollectorTest {
 protected:
  void closes_are_seen();
  void requests_are_seen();
};

// What older kernels offer, on this one.
class OlderKernelTest : public CollectorTest {
 protected:
  OlderKernelTest() { settings.newer = {Offer::kNever, Offer::kNever}; }
};

int connect_to(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  return fd;
}

struct Listener {
  Listener() {
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(fd, 16);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd); }
  int fd = -1;
  uint16_t port = 0;
};

TEST_F(CollectorTest, what_was_open_before_the_attach_is_labelled) {
  Child child({});
  attach(child);
  ASSERT_FALSE(book.open.empty());
  for (const auto& [id, seen] : book.open) {
    EXPECT_TRUE(seen.facts.before_attach);
    EXPECT_EQ(seen.facts.opened.stack, kNoStack);
  }
}

TEST_F(CollectorTest, an_opened_descriptor_has_the_stack_thread_and_time_of_its_opening) {
  Child child({[] { ::dup2(::eventfd(0, 0), 100), ::close(100), ::eventfd(0, 0); }});
  attach(child);
  const Instant before = monotonic_now();
  child.step();
  scan();
  int traced = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.facts.before_attach) continue;
    ++traced;
    EXPECT_EQ(seen.facts.kind, Kind::kEventfd);
    EXPECT_NE(seen.facts.opened.stack, kNoStack);
    ASSERT_NE(collector->stack(seen.facts.opened.stack), nullptr);
    EXPECT_EQ(seen.facts.opened.by.thread, static_cast<uint32_t>(child.pid()));
    EXPECT_GT(seen.facts.opened.at, before);
  }
  EXPECT_EQ(traced, 2);
}

TEST_F(CollectorTest, a_close_is_reported_once_with_its_time) { closes_are_seen(); }
TEST_F(OlderKernelTest, a_close_is_reported_once_with_its_time) { closes_are_seen(); }

void CollectorTest::closes_are_seen() {
  Child child({[] { ::close(::eventfd(0, 0)); }});
  attach(child);
  child.step();
  collector->poll(book, {});
  ASSERT_EQ(book.closed.size(), 1U);
  EXPECT_EQ(book.closed[0].facts.kind, Kind::kEventfd);
  EXPECT_NE(book.closed[0].closed_by.stack, kNoStack);
  EXPECT_GT(book.closed[0].at, book.closed[0].facts.opened.at);
}

TEST_F(CollectorTest, a_connection_lives_until_its_last_descriptor_is_closed) {
  static int first, second;
  Child child({[] { second = ::dup(first = ::eventfd(0, 0)); }, [] { ::close(first); },
               [] { ::close(second); }});
  attach(child);
  child.step();
  scan();
  const auto duplicated = std::count_if(book.open.begin(), book.open.end(), [](const auto& entry) {
    return entry.second.descriptors.size() == 2 && entry.second.facts.duplicated.has_value();
  });
  EXPECT_EQ(duplicated, 1);
  child.step();
  scan();
  EXPECT_TRUE(book.closed.empty());
  child.step();
  scan();
  EXPECT_EQ(book.closed.size(), 1U);
}

TEST_F(CollectorTest, dup2_onto_an_open_number_closes_what_was_there) {
  Child child({[] {
    const int a = ::eventfd(0, 0);
    int ends[2];
    if (::pipe(ends) != 0) _exit(1);
    ::dup2(a, ends[0]);
  }});
  attach(child);
  child.step();
  scan();
  ASSERT_EQ(book.closed.size(), 1U);
  EXPECT_EQ(book.closed[0].facts.kind, Kind::kPipe);
}

TEST_F(CollectorTest, close_range_and_exec_take_descriptors_away) {
  Child child({[] {
                 for (int i = 0; i < 10; ++i) ::dup2(::eventfd(0, 0), 500 + i);
               },
               [] { ::syscall(SYS_close_range, 500U, 509U, 0U); }});
  attach(child);
  child.step();
  scan();
  EXPECT_NE(book.at(child.pid(), 505), nullptr);
  child.step();
  scan();
  for (int fd = 500; fd < 510; ++fd) EXPECT_EQ(book.at(child.pid(), fd), nullptr);
}

TEST_F(CollectorTest, a_forked_child_is_followed_and_shares_what_it_inherited) {
  Child child({[] {
    ::eventfd(0, 0);
    if (::fork() == 0) {
      ::eventfd(0, 0);
      ::usleep(300'000);
      _exit(0);
    }
    ::usleep(50'000);
  }});
  attach(child);
  child.step();
  collector->poll(book, {});
  scan();
  EXPECT_EQ(book.processes.size(), 1U);
  int shared = 0, own = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.facts.before_attach || seen.facts.kind != Kind::kEventfd) continue;
    seen.descriptors.size() == 2 ? ++shared : ++own;
  }
  EXPECT_EQ(shared, 1);
  EXPECT_EQ(own, 1);
}

TEST_F(CollectorTest, a_request_is_a_send_that_follows_a_receive) { requests_are_seen(); }
TEST_F(OlderKernelTest, a_request_is_a_send_that_follows_a_receive) { requests_are_seen(); }

void CollectorTest::requests_are_seen() {
  Listener listener;
  static uint16_t port;
  static int fd;
  port = listener.port;
  Child child({[] {
                 char text[4] = "abc";
                 fd = connect_to(port);
                 ::send(fd, text, 3, 0), ::send(fd, text, 3, 0), ::recv(fd, text, 3, 0),
                     ::send(fd, text, 3, 0);
               },
               [] {
                 char byte;
                 while (::recv(fd, &byte, 1, 0) > 0) {
                 }
               }});
  attach(child);
  std::thread peer([&] {
    const int server = ::accept(listener.fd, nullptr, nullptr);
    char text[6];
    ::recv(server, text, 6, MSG_WAITALL);
    ::send(server, "xyz", 3, 0);
    ::recv(server, text, 3, MSG_WAITALL);
    ::close(server);
  });
  child.step();
  peer.join();
  scan();
  const Seen* seen = nullptr;
  for (const auto& [id, entry] : book.open) {
    if (entry.facts.kind == Kind::kTcp && !entry.facts.before_attach) seen = &entry;
  }
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->facts.request_count, 2U);
  EXPECT_EQ(seen->facts.bytes_sent, 9U);
  EXPECT_EQ(seen->facts.bytes_received, 3U);
  EXPECT_EQ(seen->facts.role, Role::kClient);
  EXPECT_EQ(seen->facts.peer.port, listener.port);
  EXPECT_TRUE(seen->facts.opening_in_tenure);
  EXPECT_TRUE(seen->facts.first_receive);
  EXPECT_EQ(seen->facts.state, TcpState::kCloseWait);
  EXPECT_TRUE(seen->facts.peer_closed_at);
  EXPECT_FALSE(seen->facts.end_seen_at);
  const ConnectionId id = seen->facts.id;
  child.step();
  scan();
  EXPECT_TRUE(book.open.at(id).facts.end_seen_at);
}

TEST_F(CollectorTest, a_socket_from_before_the_attach_knows_when_it_was_last_used) {
  Listener listener;
  static uint16_t port;
  port = listener.port;
  Child child({[] { ::send(connect_to(port), "abc", 3, 0); }});
  child.step();
  const int server = ::accept(listener.fd, nullptr, nullptr);
  ::usleep(300'000);
  attach(child);
  int found = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.facts.kind != Kind::kTcp) continue;
    if (seen.facts.role == Role::kListener) continue;
    ++found;
    EXPECT_TRUE(seen.facts.before_attach);
    ASSERT_TRUE(seen.facts.last_send);
    EXPECT_GT(seen.at - *seen.facts.last_send, std::chrono::milliseconds(250));
    EXPECT_FALSE(seen.facts.last_receive) << "nothing was ever received";
  }
  EXPECT_EQ(found, 1);
  ::close(server);
}

TEST_F(CollectorTest, unread_bytes_are_counted) {
  Listener listener;
  static uint16_t port;
  port = listener.port;
  Child child({[] { connect_to(port); }});
  attach(child);
  child.step();
  const int server = ::accept(listener.fd, nullptr, nullptr);
  ::send(server, "12345", 5, 0);
  ::usleep(20'000);
  scan();
  uint64_t unread = 0;
  for (const auto& [id, seen] : book.open)
    unread += seen.facts.before_attach ? 0 : seen.facts.recv_queue;
  EXPECT_EQ(unread, 5U);
  ::close(server);
  ::usleep(20'000);
  scan();
  unread = 0;
  for (const auto& [id, seen] : book.open)
    unread += seen.facts.before_attach ? 0 : seen.facts.recv_queue;
  EXPECT_EQ(unread, 5U) << "the peer's FIN is not a byte";
}

TEST_F(CollectorTest, refused_connects_and_exhausted_tables_are_counted_by_stack) {
  Child child({[] { ::close(connect_to(1)); },
               [] {
                 rlimit few{16, 16};
                 ::setrlimit(RLIMIT_NOFILE, &few);
                 for (int i = 0; i < 100; ++i) ::eventfd(0, 0);
               }});
  attach(child);
  child.step();
  child.step();
  scan();
  ASSERT_TRUE(book.failed.contains(ECONNREFUSED));
  EXPECT_EQ(book.failed[ECONNREFUSED].count, 1U);
  EXPECT_EQ(book.failed[ECONNREFUSED].attempt, Attempt::kConnect);
  EXPECT_NE(book.failed[ECONNREFUSED].stack, kNoStack);
  ASSERT_TRUE(book.failed.contains(EMFILE));
  EXPECT_GT(book.failed[EMFILE].count, 50U);
}

TEST_F(CollectorTest, what_a_process_had_open_when_it_ended_is_still_told) {
  pid_t pid = 0;
  {
    Child child({[] { ::eventfd(0, 0), ::close(::eventfd(0, 0)); }});
    attach(child);
    pid = child.pid();
    child.step();
  }
  ASSERT_TRUE(collector->scan(book));
  EXPECT_TRUE(collector->ended());
  int traced = 0;
  for (const auto& [id, seen] : book.open) traced += seen.facts.before_attach ? 0 : 1;
  EXPECT_EQ(traced, 1);
  EXPECT_EQ(book.closed.size(), 1U);
  EXPECT_NE(pid, 0);
}

// What went without a call on its number just before the end is not told, and what had gone from
// one table but not from all is.
TEST_F(CollectorTest, what_is_open_at_the_end_is_what_the_tables_held) {
  {
    Child child({[] {
      std::array<int, 20> gone{};
      for (int& fd : gone) fd = ::eventfd(0, 0);
      for (const int fd : gone) ::syscall(SYS_close_range, fd, fd, 0);
      const int first = ::memfd_create("copied", 0);
      ::dup(first);
      ::close(first);
      ::timerfd_create(CLOCK_MONOTONIC, 0);
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::syscall(SYS_close_range, 3, ~0U, 0);
        _exit(0);
      }
      ::waitpid(pid, nullptr, 0);
    }});
    attach(child);
    child.step();
  }
  while (!collector->ended()) ASSERT_TRUE(collector->scan(book));
  std::map<Kind, size_t> open;
  for (const auto& [id, seen] : book.open) {
    if (!seen.facts.before_attach) open[seen.facts.kind] += seen.descriptors.size();
  }
  EXPECT_EQ(open, (std::map<Kind, size_t>{{Kind::kMemfd, 1}, {Kind::kTimerfd, 1}}));
  EXPECT_EQ(collector->coverage().opened, 22U);
}

// An exit takes milliseconds, during which the process is alive and its table empties.
TEST_F(CollectorTest, a_scan_during_an_exit_loses_nothing) {
  constexpr int kOpen = 4000;
  for (int round = 0; round < 8; ++round) {
    Child child({[] {
                   for (int i = 0; i < kOpen; ++i) ::eventfd(0, 0);
                 },
                 [] { _exit(0); }});
    book = {};
    attach(child);
    child.step();
    scan();
    child.tell();
    while (!collector->ended()) ASSERT_TRUE(collector->scan(book));
    int open = 0;
    for (const auto& [id, seen] : book.open)
      open += seen.facts.kind == Kind::kEventfd && !seen.facts.before_attach;
    EXPECT_EQ(open, kOpen);
    SetUp();
  }
}

TEST_F(CollectorTest, every_event_of_a_storm_is_counted) {
  Child child({[] {
    for (int i = 0; i < 200'000; ++i) ::close(::eventfd(0, 0));
  }});
  attach(child);
  std::thread stepper([&] { child.step(); });
  size_t before = 0;
  for (int i = 0; i < 2000 && book.closed.size() < 200'000; ++i) {
    collector->poll(book, std::chrono::milliseconds(5));
    if (book.closed.size() == before && i > 400) break;
    before = book.closed.size();
  }
  stepper.join();
  scan();
  const BpfCoverage coverage = collector->coverage();
  EXPECT_EQ(coverage.opened, 200'000U);
  EXPECT_EQ(coverage.closed, 200'000U);
  EXPECT_EQ(book.closed.size() + coverage.events_lost, 200'000U);
}

TEST_F(CollectorTest, a_unix_socket_knows_the_path_of_its_peer) {
  static const char* path = "/tmp/unclosed-collector-test.sock";
  ::unlink(path);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy_n(path, std::char_traits<char>::length(path), address.sun_path);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  Child child({[] {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::copy_n(path, std::char_traits<char>::length(path), to.sun_path);
    ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }});
  attach(child);
  child.step();
  scan();
  int found = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.facts.before_attach || seen.facts.kind != Kind::kUnix) continue;
    ++found;
    EXPECT_EQ(seen.facts.name, path);
    EXPECT_EQ(seen.facts.role, Role::kClient);
  }
  EXPECT_EQ(found, 1);
  ::close(listener);
  ::unlink(path);
}

}  // namespace
}  // namespace unclosed
