// How TCP connections stand, as the kernel side tells it: between two scans nobody follows their states.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "collect/bpf/collector.h"
#include "collect/bpf/no_code.h"

namespace unclosed {
namespace {

constexpr auto kTick = std::chrono::milliseconds(25);   // jiffies, and a busy machine
constexpr auto kPause = std::chrono::milliseconds(400);

class ByDescriptor final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (std::holds_alternative<ScanBegin>(record)) open.clear();
    if (const auto* seen = std::get_if<Seen>(&record)) {
      for (const Descriptor& descriptor : seen->descriptors) open[descriptor.fd] = seen->facts;
    }
    if (const auto* end = std::get_if<Closed>(&record)) closed.push_back(end->facts);
    if (const auto* failure = std::get_if<Failed>(&record)) failed[failure->errno_value] = *failure;
  }
  std::map<int, ConnectionFacts> open;
  std::vector<ConnectionFacts> closed;
  std::map<int, Failed> failed;
};

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t port_of(const Fd& socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  return ntohs(address.sin_port);
}

int connect_to(const Fd& socket, uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Ends it by a reset.
void abort_connection(Fd& socket) {
  const linger at_once{1, 0};
  EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  socket.reset();
}

Fd bound() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(0);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

Fd listening() {
  Fd socket = bound();
  EXPECT_EQ(::listen(socket.get(), 8), 0);
  return socket;
}

// Nobody accepts, and the queue is full: the kernel leaves further ones without an answer.
struct Unanswered {
  Unanswered() {
    EXPECT_EQ(::listen(full.get(), 0), 0);
    for (int i = 0; i < 4; ++i) {
      waiting.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      connect_to(waiting.back(), port_of(full));
    }
  }
  Fd full = bound();
  std::vector<Fd> waiting;
};

// One collector for all but the last test: to take its hooks out again is what costs time.
class States : public ::testing::Test {
 protected:
  static void TearDownTestSuite() { collector.reset(); }
  void watch() {
    if (!collector) {
      auto opened = BpfCollector::open({}, code, ProcFs());
      ASSERT_TRUE(opened) << opened.error().context;
      collector.emplace(*std::move(opened));
      const auto self = ProcFs().identify(::getpid());
      ASSERT_TRUE(self);
      ASSERT_TRUE(collector->add_target(*self));
    }
    scan();
    seen.closed.clear();
  }
  const ConnectionFacts* ended_client() const {
    for (const auto& facts : seen.closed) {
      if (facts.role == Role::kClient) return &facts;
    }
    return nullptr;
  }
  void scan() {
    const auto done = collector->scan(seen);
    ASSERT_TRUE(done) << done.error().context;
  }
  void converse() {
    client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect_to(client, port_of(listener)), 0);
    peer = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_GE(peer.get(), 0);
  }
  void near(const std::optional<Instant>& told, Instant truth) {
    ASSERT_TRUE(told);
    EXPECT_LT(truth - *told, kTick);
    EXPECT_LT(*told - truth, kTick);
  }
  static Instant pause_after(Instant moment) {
    ::usleep(std::chrono::microseconds(kPause).count());
    return moment;
  }
  static inline NoCode code;
  static inline std::optional<BpfCollector> collector;
  ByDescriptor seen;
  Fd listener = listening(), client, peer;
};

TEST_F(States, when_the_peer_left_is_told_at_the_next_scan) {
  watch();
  converse();
  scan();
  EXPECT_EQ(seen.open.at(client.get()).state, TcpState::kEstablished);
  EXPECT_FALSE(seen.open.at(client.get()).peer_closed_at);
  peer.reset();
  const Instant left = pause_after(monotonic_now());
  scan();
  const auto& facts = seen.open.at(client.get());
  EXPECT_EQ(facts.state, TcpState::kCloseWait);
  near(facts.peer_closed_at, left);
  near(facts.state_since, left);
  const auto told = facts.peer_closed_at;
  scan();
  EXPECT_EQ(seen.open.at(client.get()).peer_closed_at, told);
}

TEST_F(States, a_close_says_when_the_peer_left) {
  watch();
  converse();
  peer.reset();
  const Instant left = pause_after(monotonic_now());
  client.reset();
  scan();
  const ConnectionFacts* ended = ended_client();
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(ended->state, TcpState::kCloseWait);
  near(ended->peer_closed_at, left);
}

TEST_F(States, a_close_of_ones_own_says_nothing_of_the_peer) {
  watch();
  converse();
  client.reset();
  scan();
  const ConnectionFacts* ended = ended_client();
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(ended->state, TcpState::kEstablished);
  EXPECT_FALSE(ended->peer_closed_at);
}

TEST_F(States, a_reset_is_told_by_its_own_time) {
  watch();
  converse();
  abort_connection(peer);
  const Instant left = pause_after(monotonic_now());
  scan();
  const auto& facts = seen.open.at(client.get());
  EXPECT_EQ(facts.state, TcpState::kClose);
  near(facts.state_since, left);
  EXPECT_EQ(facts.connect_errno, 0);
}

TEST_F(States, an_accepted_one_that_was_reset_knows_whose_it_was) {
  watch();
  converse();
  abort_connection(client);
  ::usleep(50'000);
  scan();
  const auto& facts = seen.open.at(peer.get());
  EXPECT_EQ(facts.state, TcpState::kClose);
  EXPECT_EQ(facts.local.port, port_of(listener));
}

TEST_F(States, what_is_spliced_is_received_all_the_same) {
  watch();
  converse();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd out(ends[0]), in(ends[1]);
  ASSERT_EQ(::send(client.get(), "ask", 3, 0), 3);
  scan();
  EXPECT_FALSE(seen.open.at(client.get()).last_receive);
  ::usleep(50'000);
  ASSERT_EQ(::send(peer.get(), "answer", 6, 0), 6);
  scan();
  EXPECT_FALSE(seen.open.at(client.get()).last_receive);  // it lies there unread
  EXPECT_EQ(seen.open.at(client.get()).recv_queue, 6U);
  const Instant came = monotonic_now();
  ASSERT_EQ(::splice(client.get(), nullptr, in.get(), nullptr, 64, 0), 6);
  scan();
  near(seen.open.at(client.get()).last_receive, came);
  EXPECT_EQ(seen.open.at(client.get()).bytes_received, 6U);
  ASSERT_EQ(::send(client.get(), "ask", 3, 0), 3);
  ASSERT_EQ(::send(peer.get(), "more", 4, 0), 4);
  char bytes[8];
  ASSERT_EQ(::recv(client.get(), bytes, sizeof bytes, 0), 4);
  scan();
  EXPECT_EQ(seen.open.at(client.get()).bytes_received, 10U);
  EXPECT_EQ(seen.open.at(client.get()).request_count, 2U);
  ASSERT_EQ(::recv(peer.get(), bytes, sizeof bytes, 0), 6);  // else it would end by a reset
  peer.reset();
  ::usleep(50'000);
  const auto told = seen.open.at(client.get()).last_receive;
  scan();
  EXPECT_EQ(seen.open.at(client.get()).last_receive, told);  // an end is no data
  EXPECT_EQ(seen.open.at(client.get()).bytes_received, 10U);
}

TEST_F(States, of_a_connect_that_nobody_answers_no_byte_is_waiting) {
  watch();
  const Unanswered server;
  client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  connect_to(client, port_of(server.full));
  scan();
  EXPECT_EQ(seen.open.at(client.get()).state, TcpState::kSynSent);
  EXPECT_EQ(seen.open.at(client.get()).send_queue, 0U);
}

TEST_F(States, a_connect_that_is_answered_later_is_told_by_the_answer) {
  watch();
  client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int answer = connect_to(client, port_of(listener));
  ASSERT_TRUE(answer == 0 || errno == EINPROGRESS);
  const Instant began = pause_after(monotonic_now());
  scan();
  const auto& facts = seen.open.at(client.get());
  EXPECT_EQ(facts.role, Role::kClient);
  EXPECT_EQ(facts.state, TcpState::kEstablished);
  near(facts.connect_started, began);
  near(facts.connect_finished, began);
}

TEST_F(States, a_refused_connect_is_told_though_the_application_has_taken_the_error) {
  watch();
  const Fd nobody = bound();
  client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(connect_to(client, port_of(nobody)), -1);
  ASSERT_EQ(errno, EINPROGRESS);
  pollfd wait{client.get(), POLLOUT, 0};
  ASSERT_EQ(::poll(&wait, 1, 1000), 1);
  int error = 0;
  socklen_t length = sizeof error;
  ASSERT_EQ(::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &length), 0);
  ASSERT_EQ(error, ECONNREFUSED);
  const Instant failed = pause_after(monotonic_now());
  scan();
  const auto& facts = seen.open.at(client.get());
  EXPECT_EQ(facts.state, TcpState::kClose);
  EXPECT_EQ(facts.connect_errno, ECONNREFUSED);
  near(facts.state_since, failed);
  ASSERT_TRUE(seen.failed.contains(ECONNREFUSED));
  EXPECT_EQ(seen.failed.at(ECONNREFUSED).count, 1U);
  EXPECT_EQ(seen.failed.at(ECONNREFUSED).attempt, Attempt::kConnect);
}

TEST_F(States, a_refused_connect_that_waited_for_its_answer_is_told) {
  watch();
  const Fd nobody = bound();
  client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect_to(client, port_of(nobody)), -1);
  ASSERT_EQ(errno, ECONNREFUSED);
  scan();
  const auto& facts = seen.open.at(client.get());
  EXPECT_EQ(facts.role, Role::kClient);
  EXPECT_EQ(facts.state, TcpState::kClose);
  EXPECT_EQ(facts.connect_errno, ECONNREFUSED);
  EXPECT_TRUE(facts.connect_started) << "else it looks like a socket that nobody used yet";
}

TEST_F(States, what_came_already_ended_was_not_held_before_it_came) {
  watch();
  client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect_to(client, port_of(listener)), 0);
  client.reset();
  const Instant left = pause_after(monotonic_now());
  const Instant before = monotonic_now();
  peer = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_GE(peer.get(), 0);
  scan();
  const auto& facts = seen.open.at(peer.get());
  EXPECT_EQ(facts.state, TcpState::kCloseWait);
  ASSERT_TRUE(facts.peer_closed_at);
  EXPECT_GE(*facts.peer_closed_at, before);
  EXPECT_GT(*facts.peer_closed_at, left);
}

TEST_F(States, who_is_given_the_end_of_what_was_accepted_is_told) {
  watch();
  converse();
  char byte = 0;
  ASSERT_EQ(::send(client.get(), "?", 1, 0), 1);
  ASSERT_EQ(::recv(peer.get(), &byte, 1, 0), 1);
  ASSERT_EQ(::send(peer.get(), "!", 1, 0), 1);
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  uint32_t reader = 0;
  std::thread([&] {
    reader = static_cast<uint32_t>(::gettid());
    EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 0);
  }).join();
  EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 0);   // the first is it
  scan();
  const auto& accepted = seen.open.at(peer.get());
  ASSERT_TRUE(accepted.end_seen_at);
  ASSERT_TRUE(accepted.told_of_end);
  EXPECT_EQ(accepted.told_of_end->at, *accepted.end_seen_at);
  EXPECT_EQ(accepted.told_of_end->by.thread, reader);
  EXPECT_NE(accepted.told_of_end->stack, kNoStack);
  EXPECT_FALSE(accepted.first_receive);
  // Of what was dialled the first answer is of more use.
  ASSERT_EQ(::recv(client.get(), &byte, 1, 0), 1);
  peer.reset();
  ASSERT_EQ(::recv(client.get(), &byte, 1, 0), 0);
  scan();
  const auto& dialled = seen.open.at(client.get());
  EXPECT_TRUE(dialled.end_seen_at);
  EXPECT_FALSE(dialled.told_of_end);
  EXPECT_TRUE(dialled.first_receive);
}

TEST_F(States, a_write_to_what_was_reset_tells_the_end_too) {
  watch();
  converse();
  abort_connection(client);
  ASSERT_EQ(::send(peer.get(), "!", 1, MSG_NOSIGNAL), -1);
  scan();
  const auto& accepted = seen.open.at(peer.get());
  ASSERT_TRUE(accepted.told_of_end);
  EXPECT_NE(accepted.end_errno, 0);
}

TEST_F(States, the_end_that_was_read_is_the_end_though_more_was_sent) {
  watch();
  converse();
  ASSERT_EQ(::shutdown(peer.get(), SHUT_WR), 0);
  char byte = 0;
  ASSERT_EQ(::recv(client.get(), &byte, 1, 0), 0);
  const Instant left = pause_after(monotonic_now());
  ASSERT_EQ(::send(client.get(), &byte, 1, MSG_NOSIGNAL), 1);
  scan();
  near(seen.open.at(client.get()).peer_closed_at, left);
  ASSERT_TRUE(seen.open.at(client.get()).last_send);
  EXPECT_GT(*seen.open.at(client.get()).last_send - left, kPause / 2);
}

TEST_F(States, a_connect_that_was_given_up_is_no_failure) {
  watch();
  const Unanswered dials;
  ::shutdown(dials.waiting.back().get(), SHUT_RDWR);
  scan();
  EXPECT_EQ(seen.open.at(dials.waiting.back().get()).connect_errno, 0);
}

TEST_F(States, a_connect_that_waits_says_so) {
  watch();
  const Unanswered dials;
  scan();
  const auto& facts = seen.open.at(dials.waiting.back().get());
  EXPECT_EQ(facts.state, TcpState::kSynSent);
  EXPECT_TRUE(facts.connect_started);
  EXPECT_FALSE(facts.connect_finished);
}

TEST_F(States, a_listener_is_known) {
  watch();
  const Fd another = listening();
  scan();
  EXPECT_EQ(seen.open.at(another.get()).role, Role::kListener);
  EXPECT_EQ(seen.open.at(another.get()).local.port, port_of(another));
}

TEST_F(States, of_a_pipe_it_is_told_that_the_other_end_is_closed) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]), writer(ends[1]);
  int others[2];
  ASSERT_EQ(::pipe2(others, O_CLOEXEC), 0);
  Fd other_reader(others[0]), other_writer(others[1]);
  watch();
  EXPECT_FALSE(seen.open.at(reader.get()).peer_closed_at);
  EXPECT_FALSE(seen.open.at(other_writer.get()).peer_closed_at);
  writer.reset();
  other_reader.reset();
  scan();
  const auto told = seen.open.at(reader.get()).peer_closed_at;
  ASSERT_TRUE(told);
  EXPECT_LE(*told, monotonic_now());
  EXPECT_TRUE(seen.open.at(other_writer.get()).peer_closed_at);
  scan();
  EXPECT_EQ(seen.open.at(reader.get()).peer_closed_at, told);
}

TEST_F(States, when_the_peer_left_before_the_attach_is_told_too) {
  collector.reset();
  converse();
  peer.reset();
  const Instant left = pause_after(monotonic_now());
  watch();
  const auto& facts = seen.open.at(client.get());
  EXPECT_TRUE(facts.before_attach);
  EXPECT_EQ(facts.state, TcpState::kCloseWait);
  near(facts.peer_closed_at, left);
}

}  // namespace
}  // namespace unclosed
