// For tests on the real kernel: a child that does one thing at a time, as it is told to. One thread.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

namespace unclosed {

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
    // Children forked later have this end as well: it is no end of file to this one.
    ::close(x_ends[0]);
    ::kill(x_pid, SIGKILL);
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

}  // namespace unclosed
