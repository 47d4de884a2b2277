#include "cli/targets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/fd.h"

namespace unclosed {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Ends with the process that forked it, which may have ended before it could ask for that.
void end_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

// A process that has begun to wait; ends with the test.
class Child {
 public:
  explicit Child(const std::function<void()>& begin) {
    int ready[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t test = ::getpid();
    x_pid = ::fork();
    if (x_pid == 0) {
      end_with(test);
      begin();
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      ::close(ready[1]);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
  }
  ~Child() {
    ::kill(x_pid, SIGKILL);
    ::waitpid(x_pid, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ProcessId id() const { return ProcFs().identify(x_pid).value(); }
  std::string text() const { return std::to_string(x_pid); }

 private:
  pid_t x_pid = -1;
};

void take_name(const char* name) { ::prctl(PR_SET_NAME, name); }

Result<std::vector<ProcessId>> find(const std::vector<std::string>& targets) {
  return find_targets(targets, ProcFs());
}

TEST(Targets, pids_are_taken_once_each_and_in_their_order) {
  const Child one([] {}), two([] {});
  const auto found = find({two.text(), one.text(), two.text()});
  ASSERT_TRUE(found) << found.error().context;
  EXPECT_THAT(*found, ElementsAre(two.id(), one.id()));
}

TEST(Targets, a_name_is_that_of_the_kernel_too) {
  const Child child([] { take_name("unclosed-tt-a"); });
  const auto found = find({"unclosed-tt-a"});
  ASSERT_TRUE(found) << found.error().context;
  EXPECT_THAT(*found, ElementsAre(child.id()));
}

TEST(Targets, two_of_a_name_are_listed_and_none_is_taken) {
  const Child one([] { take_name("unclosed-tt-b"); });
  const Child two([] { take_name("unclosed-tt-b"); });
  const auto found = find({"unclosed-tt-b"});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(found.error().id, "UC-E002");
  EXPECT_THAT(found.error().context,
              AllOf(HasSubstr(one.text()), HasSubstr(two.text()), HasSubstr("is 2 processes")));
}

TEST(Targets, a_parent_with_children_of_its_name_is_one_target) {
  const Child parent([] {
    take_name("unclosed-tt-c");
    const pid_t self = ::getpid();
    for (int i = 0; i < 2; ++i) {
      if (::fork() == 0) {
        end_with(self);
        for (;;) ::pause();
      }
    }
  });
  const auto found = find({"unclosed-tt-c"});
  ASSERT_TRUE(found) << found.error().context;
  ASSERT_EQ(found->size(), 3U);
  EXPECT_EQ(found->front(), parent.id());
}

TEST(Targets, a_port_is_found_by_its_listener_and_not_by_its_clients) {
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener.get(), any, size), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  ASSERT_EQ(::getsockname(listener.get(), any, &size), 0);
  const Child server([] {});  // holds the listener, as we do
  listener.reset();
  const auto port = "port:" + std::to_string(ntohs(address.sin_port));
  const auto found = find({port});
  ASSERT_TRUE(found) << found.error().context;
  EXPECT_THAT(*found, ElementsAre(server.id()));

  const Child client([&] {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(socket, any, size) != 0) ::_exit(1);
  });
  const auto again = find({port});  // the client's peer port is not its own
  ASSERT_TRUE(again);
  EXPECT_THAT(*again, ElementsAre(server.id()));
}

TEST(Targets, a_port_that_nobody_has_is_gone_and_a_port_that_is_none_is_usage) {
  const auto nobody = find({"port:1"});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::kGone);
  for (const char* wrong : {"port:", "port:0", "port:65536", "port:http", "port:-1"}) {
    const auto found = find({wrong});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, ErrorKind::kUsage) << wrong;
  }
}

TEST(Targets, we_do_not_watch_ourselves) {
  const auto found = find({std::to_string(::getpid())});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().id, "UC-E009");
}

TEST(Targets, a_thread_stands_for_its_process) {
  const Child child([] {
    std::thread([] {
      for (;;) ::pause();
    }).detach();
  });
  pid_t thread = 0;
  for (int tries = 0; tries < 100 && thread == 0; ++tries) {
    FILE* list = ::popen(("ls /proc/" + child.text() + "/task").c_str(), "r");
    int number = 0;
    while (std::fscanf(list, "%d", &number) == 1) {
      if (number != child.id().pid) thread = number;
    }
    ::pclose(list);
  }
  ASSERT_NE(thread, 0);
  const auto found = find({std::to_string(thread)});
  ASSERT_TRUE(found) << found.error().context;
  EXPECT_THAT(*found, ElementsAre(child.id()));
}

TEST(Targets, who_is_not_there_or_has_ended_is_gone) {
  const pid_t zombie = ::fork();
  if (zombie == 0) ::_exit(0);
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(zombie), &ended, WEXITED | WNOWAIT);
  for (const std::string& target :
       {std::to_string(zombie), std::string("99999999999"), std::string("0"),
        std::string("no-such-name"), std::string("")}) {
    const auto found = find({target});
    ASSERT_FALSE(found) << target;
    EXPECT_EQ(found.error().kind, ErrorKind::kGone) << target;
  }
  ::waitpid(zombie, nullptr, 0);
}

TEST(Targets, a_process_of_somebody_else_is_denied_before_anything_is_armed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const Child target([] {});
  const pid_t other = ::fork();
  if (other == 0) {
    if (::setuid(65534) != 0) ::_exit(9);
    const auto found = find({target.text()});
    const bool right = !found && found.error().kind == ErrorKind::kDenied &&
                       found.error().id == "UC-E004" &&
                       found.error().context.find("uid 65534") != std::string::npos;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(other, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Targets, a_unit_is_the_name_of_a_control_group_and_no_part_of_one) {
  const char* nginx = "0::/system.slice/nginx.service/worker\n";
  EXPECT_TRUE(in_control_group(nginx, "unit:nginx"));
  EXPECT_TRUE(in_control_group(nginx, "unit:nginx.service"));
  EXPECT_FALSE(in_control_group(nginx, "unit:ngin"));
  EXPECT_FALSE(in_control_group(nginx, "unit:"));
  EXPECT_FALSE(in_control_group("0::/\n", "unit:nginx"));
}

TEST(Targets, a_container_is_known_by_the_start_of_its_id) {
  const std::string id = "3f2c9e0d7b6a5948372615040f1e2d3c3f2c9e0d7b6a5948372615040f1e2d3c";
  for (const std::string& path :
       {"/docker/" + id, "/system.slice/docker-" + id + ".scope",
        "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope"}) {
    EXPECT_TRUE(in_control_group("0::" + path + "\n", "container:3f2c9e0d7b6a")) << path;
    EXPECT_FALSE(in_control_group("0::" + path + "\n", "container:9e0d7b6a")) << path;
    EXPECT_FALSE(in_control_group("0::" + path + "\n", "container:3f2")) << "too short to be meant";
  }
}

TEST(Targets, descendants_come_after_their_parents) {
  const Child parent([] {
    const pid_t self = ::getpid();
    if (::fork() != 0) return;
    end_with(self);
    for (;;) ::pause();
  });
  const ProcFs proc;
  const auto id = proc.identify(std::stoi(parent.text()));
  ASSERT_TRUE(id);
  std::vector<ProcessId> tree;
  for (int i = 0; i < 100 && tree.size() < 2; ++i) {
    tree = with_descendants({*id}, proc);
    ::usleep(10'000);
  }
  ASSERT_EQ(tree.size(), 2U);
  EXPECT_EQ(tree.front(), *id);
  ::kill(tree.back().pid, SIGKILL);
}

}  // namespace
}  // namespace unclosed
