// For tests of the collector on the real kernel: a forked child does one thing at a time, the test
// looks at the records. One thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "collect/bpf/collector.h"
#include "collect/bpf/no_code.h"
#include "collect/bpf/stepped_child.h"

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
