#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "collect/sockdiag/sockdiag.h"

namespace unclosed {
namespace {

uint64_t start_ticks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  size_t at = text.rfind(')');
  for (int field = 2; field < 22; ++field) at = text.find(' ', at + 1);
  return std::stoull(text.substr(at + 1));
}

uint64_t own_namespace() {
  struct stat status {};
  EXPECT_EQ(::stat("/proc/self/ns/net", &status), 0);
  return status.st_ino;
}

TEST(SockDiagRoot, sockets_of_another_network_namespace_are_seen_and_ours_are_not_mixed_in) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(7);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ::_exit(2);
    if (::listen(listener, 1) != 0) ::_exit(3);
    if (::write(ready[1], "x", 1) != 1) ::_exit(4);
    ::pause();
    ::_exit(0);
  }
  ::close(ready[1]);
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1) << "the child could not make its namespace";
  const uint64_t before = own_namespace();
  {
    const auto diag = SockDiag::open({child, start_ticks(child)});
    ASSERT_TRUE(diag) << diag.error().context;
    EXPECT_NE(diag->network_namespace(), before);
    const auto dump = diag->dump();
    ASSERT_TRUE(dump) << dump.error().context;
    ASSERT_EQ(dump->sockets.size(), 1U);
    EXPECT_EQ(dump->sockets[0].local.port, 7);
    EXPECT_TRUE(dump->sockets[0].listening);
  }
  EXPECT_EQ(own_namespace(), before);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
}

}  // namespace
}  // namespace unclosed
