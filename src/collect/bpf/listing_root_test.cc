// The bare listing on the real kernel: it tells of our own descriptors what /proc tells, and what
// the kernel's lists of sockets tell.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "collect/bpf/listing_side.h"
#include "collect/procfs/descriptor_table.h"
#include "collect/procfs/procfs.h"
#include "collect/sockdiag/sockdiag.h"

namespace unclosed {
namespace {

ListedProcess listed(pid_t pid, Offer typed_reads = Offer::kWherePresent) {
  ListedProcess process;
  process.id = ProcFs().identify(pid).value_or(ProcessId{});
  const auto side = ListingSide::load(typed_reads);
  EXPECT_TRUE(side) << side.error().context;
  if (side) {
    const auto status = side->list(process);
    EXPECT_TRUE(status) << status.error().context;
  }
  return process;
}

ListedDescriptor at(const ListedProcess& process, int fd) {
  for (const auto& one : process.descriptors) {
    if (one.fd == fd && one.thread == 0) return one;
  }
  ADD_FAILURE() << "descriptor " << fd << " is not listed";
  return {};
}

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
  pair.listener = Fd(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(::bind(pair.listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(pair.listener.get(), 5), 0);
  ::getsockname(pair.listener.get(), generic, &size);
  pair.client = Fd(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(::connect(pair.client.get(), generic, size), 0);
  pair.server = Fd(::accept(pair.listener.get(), nullptr, nullptr));
  EXPECT_EQ(::send(pair.client.get(), "hello", 5, 0), 5);
  EXPECT_EQ(::shutdown(pair.client.get(), SHUT_WR), 0);
  return pair;
}

TEST(Listing, tells_kinds_states_queues_and_ends) {
  const Talk pair = talk();
  const Fd event(::eventfd(0, 0)), watch(::inotify_init()), file(::open("/dev/null", O_RDONLY)),
      unused(::socket(AF_INET, SOCK_STREAM, 0));
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Fd one(ends[0]), other(ends[1]);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto process = listed(::getpid());
  const auto server = at(process, pair.server.get()), client = at(process, pair.client.get());
  EXPECT_EQ(server.kind, Kind::kTcp);
  EXPECT_EQ(server.state, TcpState::kCloseWait);
  EXPECT_EQ(server.recv_queue, 5U);
  EXPECT_EQ(client.state, TcpState::kFinWait2);
  EXPECT_EQ(client.send_queue, 0U);
  EXPECT_EQ(server.peer, client.local);
  EXPECT_EQ(at(process, pair.listener.get()).state, TcpState::kListen);
  EXPECT_EQ(at(process, event.get()).kind, Kind::kEventfd);
  EXPECT_EQ(at(process, watch.get()).kind, Kind::kInotify);
  EXPECT_EQ(at(process, file.get()).kind, Kind::kFile);
  EXPECT_EQ(at(process, one.get()).kind, Kind::kUnix);
  EXPECT_TRUE(at(process, unused.get()).unlisted);
  EXPECT_GE(server.idle_ms, 200);
  EXPECT_LE(server.idle_ms, 5000);
}

TEST(Listing, agrees_with_proc_and_the_kernels_lists) {
  const Talk pair = talk();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // acknowledgements may be delayed
  const auto self = ProcFs().identify(::getpid());
  ASSERT_TRUE(self);
  const auto table = DescriptorTable::open(*self);
  ASSERT_TRUE(table);
  const auto part = table->read(0, DescriptorTable::kEnd, DescriptorTable::Names::kSkip);
  ASSERT_TRUE(part);
  const auto process = listed(::getpid());  // with all of the above still open
  const auto diag = SockDiag::open_own();
  ASSERT_TRUE(diag);
  const auto sockets = diag->table();
  ASSERT_TRUE(sockets);
  size_t compared = 0;
  for (const auto& expected : part->descriptors) {
    const auto found = at(process, expected.fd);
    if (!expected.socket) {
      EXPECT_EQ(found.kind, expected.kind) << expected.fd;
      continue;
    }
    EXPECT_EQ(found.inode, expected.inode);
    const auto* socket = sockets->find(expected.inode);
    if (socket == nullptr || socket->kind != Kind::kTcp) continue;
    ++compared;
    EXPECT_EQ(found.state, socket->state);
    EXPECT_EQ(found.local, socket->local);
    EXPECT_EQ(found.peer, socket->peer);
    EXPECT_EQ(found.recv_queue, socket->recv_queue);
    EXPECT_EQ(found.send_queue, socket->send_queue);
    if (socket->idle_ms >= 0) {
      EXPECT_NEAR(found.idle_ms, socket->idle_ms, 1000);
    }
  }
  EXPECT_EQ(compared, 3U);
}

TEST(Listing, older_kernels_without_typed_reads_tell_the_same) {
  const Talk pair = talk();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // acknowledgements may be delayed
  auto typed = listed(::getpid()), plain = listed(::getpid(), Offer::kNever);
  for (ListedProcess* one : {&typed, &plain}) {  // what loads has descriptors of its own
    std::erase_if(one->descriptors, [](const auto& it) { return !it.socket; });
  }
  ASSERT_EQ(plain.descriptors.size(), typed.descriptors.size());
  size_t connections = 0;
  for (size_t i = 0; i < plain.descriptors.size(); ++i) {
    const auto &one = plain.descriptors[i], &same = typed.descriptors[i];
    EXPECT_EQ(std::tie(one.fd, one.kind, one.state, one.socket, one.unlisted, one.recv_queue,
                       one.send_queue, one.local, one.peer),
              std::tie(same.fd, same.kind, same.state, same.socket, same.unlisted, same.recv_queue,
                       same.send_queue, same.local, same.peer));
    connections += one.peer.known() ? 1 : 0;
  }
  EXPECT_GE(connections, 2U);
}

TEST(Listing, of_many_descriptors_with_gaps_none_is_missed_and_none_is_doubled) {
  std::vector<Fd> open;
  for (int i = 0; i < 700; ++i) open.emplace_back(::socket(AF_INET, i % 2 + 1, 0));
  std::set<int> expected;
  for (size_t i = 0; i < open.size(); ++i) {
    if (i % 7 == 3 || (i > 200 && i < 260)) {
      open[i].reset();
    } else {
      expected.insert(open[i].get());
    }
  }
  std::multiset<int> seen;
  for (const auto& one : listed(::getpid()).descriptors) {
    if (expected.contains(one.fd)) {
      seen.insert(one.fd);
      EXPECT_TRUE(one.socket);
      EXPECT_NE(one.inode, 0U);
    }
  }
  EXPECT_TRUE(std::equal(seen.begin(), seen.end(), expected.begin(), expected.end()));
}

TEST(Listing, a_thread_with_a_table_of_its_own_is_told_apart) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::thread([&] {
      ::unshare(CLONE_FILES);
      ::dup2(pipe[0], 99);
      char byte = 1;
      (void)!::write(pipe[1], &byte, 1);
      ::pause();
    }).join();
  }
  char byte = 0;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
  const auto process = listed(child);
  const auto apart = std::find_if(process.descriptors.begin(), process.descriptors.end(),
                                  [](const auto& one) { return one.fd == 99; });
  ASSERT_NE(apart, process.descriptors.end());
  EXPECT_NE(apart->thread, 0U);
  EXPECT_EQ(apart->kind, Kind::kPipe);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(Listing, a_process_that_has_ended_lists_nothing) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const auto side = ListingSide::load();
  ASSERT_TRUE(side);
  ListedProcess process;
  process.id = {child, 1};
  const auto status = side->list(process);
  EXPECT_TRUE(!status || process.descriptors.empty());
}

}  // namespace
}  // namespace unclosed
