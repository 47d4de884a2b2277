#include "collect/seccomp/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "collect/seccomp/filter.h"

namespace unclosed {
namespace {

using std::chrono::milliseconds;

// What the test, the supervisor's process and the service all see.
struct Board {
  std::atomic<int> listener{0};
  std::atomic<bool> go{false}, stop{false};
  std::atomic<uint64_t> opened{0}, failed{0};
  std::atomic<int> error{0};
};

Board* make_board() {
  void* memory =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Board();
}

bool wait_until(const std::function<bool()>& condition, milliseconds most = milliseconds(20000)) {
  const auto until = std::chrono::steady_clock::now() + most;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// A service under the filter: waits for `go`, then works.
pid_t start_service(Board& board, const std::function<void()>& work,
                    ToldCalls told = ToldCalls::kAll) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int listener = install_filter(told);
  board.listener = listener >= 0 ? listener + 1 : listener;
  while (!board.go) ::usleep(500);
  work();
  ::syscall(SYS_exit_group, 0);
  ::_exit(1);
}

Fd listener_of(pid_t service, const Board& board) {
  if (!wait_until([&] { return board.listener != 0; }) || board.listener < 0) return Fd();
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, service, 0)));
  return Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), board.listener - 1, 0)));
}

// Opens and closes a file again and again.
void open_forever(Board& board) {
  while (!board.stop) {
    const int fd = ::open("/dev/null", O_RDONLY);
    if (fd >= 0 && ::close(fd) == 0) {
      ++board.opened;
    } else {
      board.error = errno;
      ++board.failed;
    }
  }
}

class SupervisorTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(board = make_board(), nullptr); }
  void TearDown() override {
    board->stop = true;
    if (service > 0) {
      ::kill(service, SIGKILL);
      ::waitpid(service, nullptr, 0);
    }
    ::munmap(board, sizeof(Board));
  }
  // A supervisor in a process of its own, as `unclosed run` is one.
  pid_t supervise_elsewhere() {
    Fd listener = listener_of(service, *board);
    if (!listener.valid()) return -1;
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    auto supervisor = Supervisor::start(std::move(listener), {});
    board->go = supervisor.has_value();
    for (;;) ::pause();
  }
  bool works_on() {
    const uint64_t before = board->opened;
    return wait_until([&] { return board->opened > before + 100; }) && board->failed == 0;
  }

  Board* board = nullptr;
  pid_t service = -1;
};

TEST_F(SupervisorTest, calls_go_on_and_are_told) {
  service = start_service(*board, [] {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ::send(fd, "x", 1, MSG_NOSIGNAL);
    ::close(fd);
  });
  auto supervisor = Supervisor::start(listener_of(service, *board), {.stack_budget = 0});
  ASSERT_TRUE(supervisor) << supervisor.error().context;
  board->go = true;
  ASSERT_TRUE(wait_until([&] { return supervisor->ending() == static_cast<uint32_t>(service); }));
  CallBatch batch;
  supervisor->collect(batch);
  const auto& calls = batch.calls;
  std::erase_if(batch.calls, [](const Call& call) { return call.kind == CallKind::kGave; });
  ASSERT_EQ(calls.size(), 4U);
  EXPECT_EQ(calls[0].number, __NR_socket);
  EXPECT_EQ(calls[0].process, static_cast<uint32_t>(service));
  EXPECT_GT(calls[0].stack.bytes.size(), 64U);
  EXPECT_EQ(calls[1].kind, CallKind::kSends);
  EXPECT_TRUE(calls[1].on.socket);
  EXPECT_NE(calls[1].on.inode, 0U);
  EXPECT_EQ(calls[2].kind, CallKind::kCloses);
  EXPECT_EQ(calls[2].on.inode, calls[1].on.inode);
  EXPECT_EQ(calls[3].kind, CallKind::kEnds);
  supervisor->let_held_go();
  EXPECT_EQ(::waitpid(service, nullptr, 0), service);
  service = -1;
}

TEST_F(SupervisorTest, who_ends_itself_by_a_signal_is_held_and_who_handles_it_lives_on) {
  ::signal(SIGTERM, [](int) {});
  service = start_service(*board, [] {
    ::kill(::getpid(), 0);  // asks whether it is there: of no interest
    ::raise(SIGTERM);
    ::abort();
  });
  ::signal(SIGTERM, SIG_DFL);
  auto supervisor = Supervisor::start(listener_of(service, *board), {.stack_budget = 0});
  ASSERT_TRUE(supervisor) << supervisor.error().context;
  board->go = true;
  CallBatch batch;
  for (const uint64_t signal : {SIGTERM, SIGABRT}) {
    ASSERT_TRUE(
        wait_until([&] { return supervisor->ending() == static_cast<uint32_t>(service); }));
    supervisor->let_held_go();  // nobody has collected its calls
    EXPECT_NE(supervisor->ending(), 0U);
    supervisor->collect(batch);
    ASSERT_FALSE(batch.calls.empty());
    EXPECT_EQ(batch.calls.back().kind, CallKind::kSignals);
    EXPECT_EQ(batch.calls.back().number, __NR_tgkill) << signal;
    supervisor->let_held_go();
  }
  int status = 0;
  EXPECT_EQ(::waitpid(service, &status, 0), service);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  service = -1;
}

TEST_F(SupervisorTest, a_program_is_not_run_before_the_stacks_of_the_one_before_are_collected) {
  service = start_service(*board, [] {
    ::open("/dev/null", O_RDONLY);
    ::open("/dev/null", O_RDONLY);
    ::execl("/bin/true", "true", nullptr);
  });
  auto supervisor = Supervisor::start(listener_of(service, *board), {.stack_budget = 0});
  ASSERT_TRUE(supervisor) << supervisor.error().context;
  board->go = true;
  CallBatch batch;
  std::vector<CallKind> kinds;
  // Held twice: at its first call, until it is known what it runs, and in front of the exec.
  while (kinds.empty() || kinds.back() != CallKind::kExecutes) {
    ASSERT_TRUE(wait_until([&] {
      std::this_thread::sleep_for(milliseconds(100));  // it is held by then, on an idle machine
      supervisor->collect(batch);
      return !batch.calls.empty();
    }));
    for (const Call& call : batch.calls) kinds.push_back(call.kind);
    if (kinds.back() == CallKind::kExecutes) {
      EXPECT_EQ(supervisor->ending(), 0U);
    }
    if (kinds.size() == 1) {
      EXPECT_TRUE(batch.calls.front().new_code);
    }
    supervisor->let_held_go();
  }
  EXPECT_EQ(kinds.front(), CallKind::kOpens);
  ASSERT_TRUE(wait_until([&] { return supervisor->ending() == static_cast<uint32_t>(service); }));
  supervisor->collect(batch);
  supervisor->let_held_go();
  EXPECT_EQ(::waitpid(service, nullptr, 0), service);
  service = -1;
}

TEST_F(SupervisorTest, of_a_go_program_numbers_and_some_closes_are_told) {
  service = start_service(
      *board,
      [] {
        const int loop = ::epoll_create1(0);
        const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
        ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        epoll_event event{};
        for (int number = 100; number < 108; ++number) ::close(number);  // of nothing
        for (int number = 200; number < 208; ++number) {
          ::dup2(listener, number);
          ::epoll_ctl(loop, EPOLL_CTL_ADD, number, &event);
          ::epoll_ctl(loop, EPOLL_CTL_DEL, number, nullptr);
          ::close(number);
        }
      },
      ToldCalls::kOfGo);
  auto supervisor = Supervisor::start(listener_of(service, *board), {.stack_budget = 0});
  ASSERT_TRUE(supervisor) << supervisor.error().context;
  board->go = true;
  ASSERT_TRUE(wait_until([&] { return supervisor->ending() == static_cast<uint32_t>(service); }));
  CallBatch batch;
  supervisor->collect(batch);
  const auto& calls = batch.calls;
  std::vector<int> added, closed;
  for (const Call& call : calls) {
    EXPECT_NE(call.number, __NR_accept4);
    if (call.kind == CallKind::kCloses) closed.push_back(call.fd);
    if (call.kind != CallKind::kWatches) continue;
    EXPECT_EQ(call.number, __NR_epoll_ctl);
    EXPECT_FALSE(call.stack.bytes.empty());
    added.push_back(call.fd);
  }
  EXPECT_EQ(added, (std::vector<int>{202, 206}));
  EXPECT_EQ(closed, added);
  supervisor->let_held_go();
  EXPECT_EQ(::waitpid(service, nullptr, 0), service);
  service = -1;
}

TEST_F(SupervisorTest, a_service_outlives_its_killed_supervisor) {
  service = start_service(*board, [this] { open_forever(*board); });
  const pid_t supervisor = supervise_elsewhere();
  ASSERT_GT(supervisor, 0);
  ASSERT_TRUE(works_on());
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
  EXPECT_TRUE(works_on());
}

// The keeper is nobody's child; for this test it becomes ours.
pid_t adopted_keeper() {
  std::ifstream children("/proc/thread-self/children");
  for (pid_t pid; children >> pid;) {
    std::string name;
    std::ifstream("/proc/" + std::to_string(pid) + "/comm") >> name;
    if (name == "unclosed-keeper") return pid;
  }
  return -1;
}

TEST_F(SupervisorTest, without_supervisor_and_keeper_calls_fail_and_the_service_lives) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  service = start_service(*board, [this] {
    ::close(board->listener - 1);  // as exec does
    open_forever(*board);
  });
  const pid_t supervisor = supervise_elsewhere();
  ASSERT_GT(supervisor, 0);
  ASSERT_TRUE(works_on());
  pid_t keeper = -1;
  ASSERT_TRUE(wait_until([&] { return (keeper = adopted_keeper()) > 0; }));
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  for (const pid_t pid : {keeper, supervisor}) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  EXPECT_TRUE(wait_until([&] { return board->failed > 100; }));
  EXPECT_EQ(board->error, ENOSYS);
  EXPECT_EQ(::kill(service, 0), 0);
}

TEST_F(SupervisorTest, a_service_goes_on_while_its_supervisor_is_stopped) {
  service = start_service(*board, [this] { open_forever(*board); });
  const pid_t supervisor = supervise_elsewhere();
  ASSERT_GT(supervisor, 0);
  ASSERT_TRUE(works_on());
  ::kill(supervisor, SIGSTOP);
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_TRUE(works_on());
  ::kill(supervisor, SIGCONT);
  EXPECT_TRUE(works_on());
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
}

TEST_F(SupervisorTest, a_service_outlives_the_look) {
  service = start_service(*board, [this] { open_forever(*board); });
  {
    auto supervisor = Supervisor::start(listener_of(service, *board), {});
    ASSERT_TRUE(supervisor) << supervisor.error().context;
    board->go = true;
    ASSERT_TRUE(works_on());
  }
  EXPECT_TRUE(works_on());
}

}  // namespace
}  // namespace unclosed
