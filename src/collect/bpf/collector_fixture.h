// For tests of the collector on the real kernel: a forked child does one thing at a time, the test
// looks at the records. One thread.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "collect/bpf/collector.h"
#include "collect/bpf/no_code.h"

namespace unclosed {

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
  BpfSettings settings;
  NoCode code;
  std::optional<BpfCollector> collector;
  Book book;
};

}  // namespace unclosed
