// Threads are real ones of this process.
#include "cli/collector_threads.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <latch>
#include <thread>

namespace unclosed {
namespace {

struct Kept final : RecordSink {
  void accept(const Record& record) override { records.push_back(record); }
  std::vector<Record> records;
};

// A thread of that name, until the end.
class Named {
 public:
  explicit Named(const char* name)
      : x_thread([this, name] {
          ::pthread_setname_np(::pthread_self(), name);
          x_id = static_cast<uint32_t>(::gettid());
          x_ready.count_down();
          x_over.wait();
        }) {
    x_ready.wait();
  }
  ~Named() {
    x_over.count_down();
    x_thread.join();
  }
  uint32_t id() const { return x_id; }

 private:
  uint32_t x_id = 0;
  std::latch x_ready{1}, x_over{1};
  std::thread x_thread;
};

Closed closed_by(uint32_t thread, int at) {
  Closed closed;
  closed.at = Instant{at * 1'000'000'000L};
  closed.closed_by.by.thread = thread;
  return closed;
}

TEST(CollectorThreads, are_known_by_their_names) {
  for (const char* name : {"Common-Cleaner", "Cleaner-0", "Cleaner-12", "Finalizer",
                           ".NET Finalizer", "mysql-cj-abando", "PostgreSQL-JDBC"}) {
    EXPECT_TRUE(runs_finalizers(name)) << name;
  }
  for (const char* name : {"", "Cleaner-", "Cleaner-x", "cleaner", "java", "Common-Cleaner2",
                           "http-nio-8080-e", "Finalizers"}) {
    EXPECT_FALSE(runs_finalizers(name)) << name;
  }
}

TEST(CollectorThreads, closes_of_such_threads_are_marked_and_no_others) {
  const ProcFs proc;
  Kept kept;
  CollectorThreads threads(proc, kept);
  const Named cleaner("Common-Cleaner"), worker("http-nio-exec-1");
  for (int round = 0; round < 2; ++round) {
    threads.accept(closed_by(cleaner.id(), round));
    threads.accept(closed_by(worker.id(), round));
    threads.accept(closed_by(0, round));
  }
  threads.accept(ScanBegin{});
  ASSERT_EQ(kept.records.size(), 7U);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(std::get<Closed>(kept.records[i]).by_collector, i % 3 == 0) << i;
  }
  EXPECT_TRUE(std::holds_alternative<ScanBegin>(kept.records[6]));
}

TEST(CollectorThreads, a_thread_that_is_gone_is_taken_for_the_services_own) {
  const ProcFs proc;
  Kept kept;
  CollectorThreads threads(proc, kept);
  uint32_t gone = 0;
  {
    const Named cleaner("Cleaner-0");
    gone = cleaner.id();
  }
  threads.accept(closed_by(gone, 1));
  ASSERT_EQ(kept.records.size(), 1U);
  EXPECT_FALSE(std::get<Closed>(kept.records[0]).by_collector);
}

// Nobody waits for the names of a hundred thousand short threads; who is known stays known.
TEST(CollectorThreads, few_are_looked_up_in_a_second) {
  const ProcFs proc;
  Kept kept;
  CollectorThreads threads(proc, kept);
  const Named early("Cleaner-0"), late("Cleaner-1");
  threads.accept(closed_by(early.id(), 1));
  for (uint32_t i = 0; i < 1000; ++i) threads.accept(closed_by(4'000'000'000U + i, 1));
  threads.accept(closed_by(late.id(), 1));
  threads.accept(closed_by(early.id(), 1));
  threads.accept(closed_by(late.id(), 3));
  const auto marked = [&](size_t at) { return std::get<Closed>(kept.records[at]).by_collector; };
  EXPECT_TRUE(marked(0));
  EXPECT_FALSE(marked(1001));
  EXPECT_TRUE(marked(1002));
  EXPECT_TRUE(marked(1003));
}

}  // namespace
}  // namespace unclosed
