#include "collect/polling/polling_collector.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

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

}  // namespace
}  // namespace unclosed
