#include "collect/polling/polling_collector.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

namespace unclosed {
namespace {

// The records of one look.
class Look final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (const auto* one = std::get_if<Seen>(&record)) seen.push_back(*one);
    if (const auto* one = std::get_if<Vanished>(&record)) vanished.push_back(*one);
    if (const auto* one = std::get_if<ProcessGone>(&record)) gone.push_back(one->id);
    if (std::holds_alternative<LimitSeen>(record)) ++limits;
  }
  const Seen* with(int fd) const {
    for (const Seen& one : seen) {
      for (const Descriptor& it : one.descriptors) {
        if (it.fd == fd) return &one;
      }
    }
    return nullptr;
  }
  const Seen* with(pid_t pid, int fd) const {
    for (const Seen& one : seen) {
      for (const Descriptor& it : one.descriptors) {
        if (it.process.pid == pid && it.fd == fd) return &one;
      }
    }
    return nullptr;
  }
  std::vector<Seen> seen;
  std::vector<Vanished> vanished;
  std::vector<ProcessId> gone;
  int limits = 0;
};

struct Talk {
  Fd listener, client, server;
};

Talk talk() {
  Talk pair;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  pair.listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(pair.listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(pair.listener.get(), 5), 0);
  ::getsockname(pair.listener.get(), generic, &size);
  pair.client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(pair.client.get(), generic, size), 0);
  pair.server = Fd(::accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return pair;
}

// On this process itself: nothing that it does not hold may be looked into without privileges.
class Polling : public testing::Test {
 protected:
  void SetUp() override {
    const auto self = ProcFs().identify(::getpid());
    ASSERT_TRUE(self);
    ASSERT_TRUE(collector.add_target(*self));
  }
  Look look() {
    Look sink;
    EXPECT_TRUE(collector.scan(sink));
    return sink;
  }
  PollingCollector collector{ProcFs()};
};

TEST_F(Polling, what_is_open_already_is_from_before_and_what_comes_later_is_not) {
  const Fd old(::open("/dev/null", O_RDONLY));
  const Look first = look();
  ASSERT_NE(first.with(old.get()), nullptr);
  EXPECT_TRUE(first.with(old.get())->facts.before_attach);
  EXPECT_EQ(first.with(old.get())->facts.name, "/dev/null");
  EXPECT_EQ(first.limits, 1);
  const Fd fresh(::open("/dev/null", O_RDONLY));
  const Look second = look();
  ASSERT_NE(second.with(fresh.get()), nullptr);
  EXPECT_FALSE(second.with(fresh.get())->facts.before_attach);
  EXPECT_EQ(second.with(old.get())->facts.id, first.with(old.get())->facts.id);
  EXPECT_GE(collector.opened(), 1U);
}

TEST(PollingBeforeExec, only_what_exec_leaves_is_from_before) {
  const Fd kept(::open("/dev/null", O_RDONLY)), taken(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Talk pair = talk();
  ::fcntl(pair.client.get(), F_SETFD, 0);
  PollingCollector collector{ProcFs()};
  const auto self = ProcFs().identify(::getpid());
  ASSERT_TRUE(self);
  ASSERT_TRUE(collector.add_before_exec(*self));
  const Fd fresh(::open("/dev/null", O_RDONLY));
  Look sink;
  ASSERT_TRUE(collector.scan(sink));
  EXPECT_TRUE(sink.with(kept.get())->facts.before_attach);
  EXPECT_TRUE(sink.with(pair.client.get())->facts.before_attach);
  for (const int fd : {taken.get(), pair.server.get(), fresh.get()}) {
    EXPECT_FALSE(sink.with(fd)->facts.before_attach) << fd;
  }
  EXPECT_GE(collector.opened(), 3U);
}

TEST_F(Polling, what_was_closed_has_vanished) {
  Talk pair = talk();
  const Look first = look();
  const ConnectionId id = first.with(pair.client.get())->facts.id;
  pair.client.reset();
  const Look second = look();
  EXPECT_TRUE(std::any_of(second.vanished.begin(), second.vanished.end(),
                          [&](const Vanished& one) { return one.id == id; }));
  EXPECT_EQ(second.with(pair.server.get())->facts.state, TcpState::kCloseWait);
  EXPECT_TRUE(second.with(pair.server.get())->facts.peer_closed_at.has_value());
}

TEST_F(Polling, roles_queues_and_last_use_are_told) {
  const Talk pair = talk();
  ASSERT_EQ(::send(pair.client.get(), "hello", 5, 0), 5);
  const Look sink = look();
  const auto *client = sink.with(pair.client.get()), *server = sink.with(pair.server.get());
  EXPECT_EQ(client->facts.role, Role::kClient);
  EXPECT_EQ(server->facts.role, Role::kServer);
  EXPECT_EQ(sink.with(pair.listener.get())->facts.role, Role::kListener);
  EXPECT_EQ(server->facts.recv_queue, 5U);
  EXPECT_TRUE(client->facts.last_send.has_value());
  EXPECT_FALSE(client->facts.last_receive.has_value());
  EXPECT_EQ(client->facts.opened.stack, kNoStack);
}

TEST_F(Polling, a_copy_of_a_socket_is_the_same_connection) {
  const Talk pair = talk();
  const Fd copy(::dup(pair.client.get()));
  const Look sink = look();
  EXPECT_EQ(sink.with(copy.get())->facts.id, sink.with(pair.client.get())->facts.id);
  EXPECT_TRUE(sink.with(copy.get())->facts.shared);
}

TEST_F(Polling, a_number_that_another_file_has_now_is_another_connection) {
  Fd file(::open("/dev/null", O_RDONLY));
  const int number = file.get();
  const ConnectionId id = look().with(number)->facts.id;
  const Fd other(::open("/dev/zero", O_RDONLY));
  ::dup2(other.get(), number);
  EXPECT_NE(look().with(number)->facts.id, id);
}

TEST_F(Polling, children_that_come_later_are_followed_and_their_end_is_told) {
  look();
  ::usleep(20'000);  // a start time has steps of 10 ms
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  look();
  EXPECT_EQ(collector.targets().size(), 2U);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const Look last = look();
  ASSERT_EQ(last.gone.size(), 1U);
  EXPECT_EQ(last.gone.front().pid, child);
}

TEST_F(Polling, a_child_is_followed_from_the_first_look_on) {
  ::usleep(20'000);  // a start time has steps of 10 ms
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ::usleep(20'000);
  look();
  EXPECT_EQ(collector.targets().size(), 2U);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

// A child that does the first at once, and the second when told to; it ends with this.
class Child {
 public:
  Child() {
    EXPECT_EQ(::pipe2(x_done, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(x_go, O_CLOEXEC), 0);
  }
  void start(const std::function<void()>& first = {}, const std::function<void()>& second = {}) {
    ::usleep(20'000);  // a start time has steps of 10 ms
    x_pid = ::fork();
    if (x_pid == 0) {
      if (first) first();
      char byte = 0;
      (void)!::write(x_done[1], "1", 1);
      (void)!::read(x_go[0], &byte, 1);
      if (second) second();
      (void)!::write(x_done[1], "2", 1);
      ::pause();
      ::_exit(0);
    }
    wait();
  }
  ~Child() {
    ::kill(x_pid, SIGKILL);
    ::waitpid(x_pid, nullptr, 0);
    for (const int fd : {x_done[0], x_done[1], x_go[0], x_go[1]}) ::close(fd);
  }
  void go_on() {
    (void)!::write(x_go[1], "1", 1);
    wait();
  }
  pid_t pid() const { return x_pid; }

 private:
  void wait() {
    char byte = 0;
    EXPECT_EQ(::read(x_done[0], &byte, 1), 1);
  }
  int x_done[2], x_go[2];
  pid_t x_pid = 0;
};

TEST_F(Polling, what_a_child_inherits_is_no_other_connection) {
  const Fd file(::open("/dev/null", O_RDONLY)), event(::eventfd(0, 0));
  Child child;
  look();
  const uint64_t opened = collector.opened();
  child.start({}, [&] { ::close(file.get()); });
  const Look first = look();
  EXPECT_EQ(first.with(child.pid(), event.get())->descriptors.size(), 2U);
  EXPECT_EQ(first.with(child.pid(), file.get())->facts.id, first.with(file.get())->facts.id);
  EXPECT_TRUE(first.with(file.get())->facts.shared);
  EXPECT_EQ(collector.opened(), opened);
  child.go_on();
  const Look second = look();
  EXPECT_EQ(second.with(child.pid(), file.get()), nullptr);
  EXPECT_EQ(second.with(file.get())->facts.id, first.with(file.get())->facts.id);
  EXPECT_EQ(second.with(file.get())->descriptors.size(), 1U);
  EXPECT_TRUE(second.vanished.empty());
}

TEST_F(Polling, what_the_parent_has_closed_since_the_fork_is_the_childs_under_the_same_identity) {
  Fd early(::eventfd(0, 0)), late(::eventfd(0, 0)), replaced(::open("/dev/null", O_RDONLY));
  Child child;
  const Look before = look();
  child.start();
  const int early_number = early.get();
  early.reset();
  const Fd other(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const int number = replaced.get();
  ::dup2(other.get(), number);
  Look now = look();
  EXPECT_EQ(now.with(child.pid(), early_number)->facts.id, before.with(early_number)->facts.id);
  EXPECT_EQ(now.with(child.pid(), number)->facts.id, before.with(number)->facts.id);
  EXPECT_NE(now.with(::getpid(), number)->facts.id, before.with(number)->facts.id);
  const int late_number = late.get();
  late.reset();
  now = look();
  EXPECT_EQ(now.with(child.pid(), late_number)->facts.id, before.with(late_number)->facts.id);
  for (const Vanished& one : now.vanished) {
    for (const int fd : {early_number, number, late_number}) {
      EXPECT_NE(one.id, before.with(fd)->facts.id);
    }
  }
}

TEST_F(Polling, what_a_child_opens_itself_is_its_own_whatever_its_number) {
  const Fd file(::open("/dev/null", O_RDONLY));
  look();
  Child child;
  child.start([&] {
    ::close(file.get());
    ::open("/dev/null", O_RDONLY);
  });
  const Look now = look();
  EXPECT_NE(now.with(child.pid(), file.get())->facts.id,
            now.with(::getpid(), file.get())->facts.id);
}

}  // namespace
}  // namespace unclosed
