// The collector on the real kernel: a forked child does one thing at a time, the test looks at the
// records.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "collect/bpf/collector.h"
#include "collect/bpf/no_code.h"

namespace unclosed {
namespace {

// Folds records as the simplest of all ledgers.
class Book final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (std::holds_alternative<ScanBegin>(record)) open.clear(), failed.clear();
    if (const auto* seen = std::get_if<Seen>(&record)) open[seen->facts.id] = *seen;
    if (const auto* end = std::get_if<Closed>(&record)) closed.push_back(*end);
    if (const auto* failure = std::get_if<Failed>(&record)) {
      auto& known = failed[failure->errno_value];
      const uint64_t sum = known.count + failure->count;
      known = *failure;
      known.count = sum;
    }
    if (const auto* process = std::get_if<ProcessSeen>(&record))
      processes.insert(process->info.id.pid);
    if (std::holds_alternative<Lost>(record)) ++losses;
  }
  const Seen* at(pid_t pid, int fd) const {
    for (const auto& [id, seen] : open) {
      for (const Descriptor& descriptor : seen.descriptors) {
        if (descriptor.process.pid == pid && descriptor.fd == fd) return &seen;
      }
    }
    return nullptr;
  }
  std::map<ConnectionId, Seen> open;
  std::vector<Closed> closed;
  std::map<int, Failed> failed;
  std::set<pid_t> processes;
  int losses = 0;
};

// A child that runs `steps` one after the other, each when told to.
class Child {
 public:
  explicit Child(std::vector<std::function<void()>> steps) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x_ends), 0);
    x_pid = ::fork();
    if (x_pid == 0) {
      ::close(x_ends[0]);
      char byte = 0;
      ::send(x_ends[1], &byte, 1, 0);
      for (const auto& step : steps) {
        if (::recv(x_ends[1], &byte, 1, 0) != 1) _exit(1);
        step();
        ::send(x_ends[1], &byte, 1, 0);
      }
      ::recv(x_ends[1], &byte, 1, 0);
      _exit(0);
    }
    ::close(x_ends[1]);
    char byte = 0;
    EXPECT_EQ(::recv(x_ends[0], &byte, 1, 0), 1);  // its own table is settled
  }
  ~Child() {
    ::close(x_ends[0]);
    ::waitpid(x_pid, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void step() {
    char byte = 0;
    ASSERT_EQ(::send(x_ends[0], &byte, 1, 0), 1);
    ASSERT_EQ(::recv(x_ends[0], &byte, 1, 0), 1);
  }
  void tell() { EXPECT_EQ(::send(x_ends[0], "", 1, 0), 1); }
  pid_t pid() const { return x_pid; }

 private:
  int x_ends[2] = {-1, -1};
  pid_t x_pid = -1;
};

class BpfCollectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = BpfCollector::open(settings, code, ProcFs());
    ASSERT_TRUE(opened) << opened.error().context;
    collector.emplace(*std::move(opened));
  }
  void attach(const Child& child) {
    const auto process = ProcFs().identify(child.pid());
    ASSERT_TRUE(process);
    ASSERT_TRUE(collector->add_target(*process));
    scan();
  }
  void scan() {
    const auto done = collector->scan(book);
    ASSERT_TRUE(done) << done.error().context;
    EXPECT_EQ(collector->coverage().drift, 0);
  }
  void closes_are_seen();
  void requests_are_seen();
  BpfSettings settings;
  NoCode code;
  std::optional<BpfCollector> collector;
  Book book;
};

// What older kernels offer, on this one.
class OlderKernelTest : public BpfCollectorTest {
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

TEST_F(BpfCollectorTest, what_was_open_before_the_attach_is_labelled) {
  Child child({});
  attach(child);
  ASSERT_FALSE(book.open.empty());
  for (const auto& [id, seen] : book.open) {
    EXPECT_TRUE(seen.facts.before_attach);
    EXPECT_EQ(seen.facts.opened.stack, kNoStack);
  }
}

TEST_F(BpfCollectorTest, an_opened_descriptor_has_the_stack_thread_and_time_of_its_opening) {
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

TEST_F(BpfCollectorTest, a_close_is_reported_once_with_its_time) { closes_are_seen(); }
TEST_F(OlderKernelTest, a_close_is_reported_once_with_its_time) { closes_are_seen(); }

void BpfCollectorTest::closes_are_seen() {
  Child child({[] { ::close(::eventfd(0, 0)); }});
  attach(child);
  child.step();
  collector->poll(book, {});
  ASSERT_EQ(book.closed.size(), 1U);
  EXPECT_EQ(book.closed[0].facts.kind, Kind::kEventfd);
  EXPECT_NE(book.closed[0].closed_by.stack, kNoStack);
  EXPECT_GT(book.closed[0].at, book.closed[0].facts.opened.at);
}

TEST_F(BpfCollectorTest, a_connection_lives_until_its_last_descriptor_is_closed) {
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

TEST_F(BpfCollectorTest, dup2_onto_an_open_number_closes_what_was_there) {
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

TEST_F(BpfCollectorTest, close_range_and_exec_take_descriptors_away) {
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

TEST_F(BpfCollectorTest, a_forked_child_is_followed_and_shares_what_it_inherited) {
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

TEST_F(BpfCollectorTest, a_request_is_a_send_that_follows_a_receive) { requests_are_seen(); }
TEST_F(OlderKernelTest, a_request_is_a_send_that_follows_a_receive) { requests_are_seen(); }

void BpfCollectorTest::requests_are_seen() {
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

TEST_F(BpfCollectorTest, a_socket_from_before_the_attach_knows_when_it_was_last_used) {
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

TEST_F(BpfCollectorTest, unread_bytes_are_counted) {
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

TEST_F(BpfCollectorTest, refused_connects_and_exhausted_tables_are_counted_by_stack) {
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

TEST_F(BpfCollectorTest, what_a_process_had_open_when_it_ended_is_still_told) {
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

// An exit takes milliseconds, during which the process is alive and its table empties.
TEST_F(BpfCollectorTest, a_scan_during_an_exit_loses_nothing) {
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

TEST_F(BpfCollectorTest, every_event_of_a_storm_is_counted) {
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

TEST_F(BpfCollectorTest, a_unix_socket_knows_the_path_of_its_peer) {
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

// ---- the stack budget ------------------------------------------------------------------------

class BudgetTest : public BpfCollectorTest {
 protected:
  BudgetTest() { settings.stack_budget = 0.001; }
  // A step of the child, while events are read as they come.
  void step_and_poll(Child& child) {
    std::atomic<bool> done = false;
    std::thread stepper([&] {
      child.step();
      done = true;
    });
    while (!done) collector->poll(book, std::chrono::milliseconds(5));
    stepper.join();
  }
};

std::chrono::steady_clock::time_point in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// Keeps a frame pointer in the function that calls it: without tables the walker has nothing else.
const void* volatile frame_of_caller;
[[gnu::always_inline]] inline void keep_frame_pointer() {
  frame_of_caller = __builtin_frame_address(0);
}

[[gnu::noinline]] int open_rarely() {
  keep_frame_pointer();
  volatile char room[512];  // another depth than the busy path's
  room[0] = 1;
  return ::eventfd(0, EFD_CLOEXEC) + room[0] - 1;
}

// Opens and closes sockets as fast as it can, and in between, five times a second, an eventfd that
// it keeps.
[[gnu::noinline]] void rush(int seconds) {
  keep_frame_pointer();
  for (int fifth = 0; fifth < 5 * seconds; ++fifth) {
    open_rarely();
    for (const auto end = in(std::chrono::milliseconds(200));
         std::chrono::steady_clock::now() < end;)
      ::close(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
}

TEST_F(BudgetTest, a_busy_path_is_sampled_and_a_rare_one_is_not) {
  Child child({[] { rush(3); }});
  attach(child);
  step_and_poll(child);
  scan();
  const auto coverage = collector->coverage();
  EXPECT_GT(coverage.stacks_sampled_out, 10'000U);
  // Three seconds' worth of a thousandth, one that was saved up, one of debt, and the way to the
  // right pressure.
  EXPECT_LT(seconds(coverage.stack_time), 0.005 + 0.05);
  EXPECT_GE(coverage.opened, coverage.stacks_sampled_out / 2);  // what is sampled is still counted
  int rare = 0, with_stack = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.facts.kind != Kind::kEventfd || seen.facts.before_attach) continue;
    ++rare;
    if (seen.facts.opened.stack != kNoStack) ++with_stack;
  }
  EXPECT_EQ(rare, 15);
  EXPECT_GE(with_stack, 3);  // at least one in each second, also while the budget is in debt
}

class NoBudgetTest : public BpfCollectorTest {
 protected:
  NoBudgetTest() { settings.stack_budget = 0; }
};

TEST_F(NoBudgetTest, every_stack_is_taken) {
  Child child({[] { rush(1); }});
  attach(child);
  child.step();
  scan();
  EXPECT_EQ(collector->coverage().stacks_sampled_out, 0U);
  EXPECT_GE(collector->coverage().stacks_taken, collector->coverage().opened);
}

// Keeps one socket in so many, and leaves it alone.
[[gnu::noinline]] void rush_and_leak(int seconds, uint64_t keep_one_in) {
  keep_frame_pointer();
  uint64_t count = 0;
  for (const auto end = in(std::chrono::seconds(seconds));
       std::chrono::steady_clock::now() < end;) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (++count % keep_one_in != 0) ::close(fd);
  }
}

TEST_F(BudgetTest, a_site_that_begins_to_look_leaky_has_all_its_stacks_again) {
  const auto leak = [] { rush_and_leak(1, 2'000); };
  Child child({leak, leak, leak, leak, leak, leak});
  attach(child);
  for (int i = 0; i < 5; ++i) {
    step_and_poll(child);
    scan();
  }
  const uint64_t before = collector->coverage().stacks_sampled_out;
  const uint64_t opened_before = collector->coverage().opened;
  step_and_poll(child);
  const uint64_t opened = collector->coverage().opened - opened_before;
  EXPECT_GT(before, 10'000U);
  EXPECT_LT(collector->coverage().stacks_sampled_out - before, opened / 2);
}

}  // namespace
}  // namespace unclosed
