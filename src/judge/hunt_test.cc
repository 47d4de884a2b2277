#include "judge/hunt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "judge/go_roles.h"
#include "judge/hunt_pools.h"

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

NamedFrame frame(const std::string& function, const std::string& file = "lib.go",
                 uint32_t line = 1) {
  NamedFrame one;
  one.function = function;
  one.file = file;
  one.line = line;
  one.own = function.starts_with("main.") || function.starts_with("com.acme.");
  return one;
}

GoroutineGroup group(uint64_t count, const std::string& state, std::vector<NamedFrame> stack) {
  GoroutineGroup one;
  one.count = count;
  one.state = state;
  one.stack = std::move(stack);
  return one;
}

GoroutineGroup waiters(uint64_t count) {
  return group(count, "select",
               {frame("database/sql.(*DB).conn"), frame("database/sql.(*DB).query"),
                frame("main.list", "main.go", 12), frame("net/http.(*conn).serve")});
}
GoroutineGroup in_query(uint64_t count) {
  return group(count, "IO wait",
               {frame("internal/poll.runtime_pollWait"), frame("net.(*netFD).Read"),
                frame("github.com/lib/pq.(*conn).recv1Buf"), frame("database/sql.(*DB).query"),
                frame("main.report", "main.go", 40), frame("net/http.(*conn).serve")});
}
GoroutineGroup stuck(uint64_t count) {
  return group(count, "chan receive",
               {frame("runtime.gopark"), frame("main.hold", "main.go", 31),
                frame("net/http.(*conn).serve")});
}

PoolSample sample(double in_use, double max) {
  PoolSample one;
  one.name = "orders";
  one.format = "sql.DBStats";
  one.in_use = in_use;
  one.open = one.max = max;
  one.idle = max - in_use;
  return one;
}

Account with_pools(std::vector<PoolSample> samples) {
  Account account;
  account.source = "metrics";
  account.what = "counters";
  account.pools = std::move(samples);
  return account;
}

Account with_error(Trouble kind, uint64_t count = 3) {
  Account account;
  account.source = "app.log";
  account.what = "log";
  account.lines = 100;
  LogError error;
  error.kind = kind;
  error.count = count;
  error.first_line = 7;
  error.source = "app.log";
  error.from = "somebody";
  error.text = "it failed";
  account.errors.push_back(error);
  return account;
}

GoroutineCapture capture(std::vector<GoroutineGroup> groups) {
  GoroutineCapture one;
  for (const auto& part : groups) one.goroutines += part.count;
  one.groups = std::move(groups);
  return one;
}

const HuntStep& step(const Explanation& explanation, HuntStage stage) {
  return explanation.steps.at(static_cast<size_t>(stage));
}

TEST(Hunt, nothing_is_said_of_an_innocent_log_and_a_pool_with_room) {
  HuntInput input;
  Account log;
  log.what = "log";
  input.accounts = {log, with_pools({sample(3, 50)})};
  const auto explanation = hunt(input);
  EXPECT_THAT(explanation.steps, IsEmpty());
  EXPECT_FALSE(explanation.blame);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kUnknown);
  ASSERT_TRUE(explanation.pool);
  EXPECT_FALSE(explanation.pool->exhausted);
  // Full for a moment, with nobody waiting, is no trouble.
  input.accounts[1] = with_pools({sample(50, 50)});
  EXPECT_THAT(hunt(input).steps, IsEmpty());
}

TEST(Hunt, all_in_use_and_waits_that_rise_are_exhaustion) {
  auto was = sample(50, 50), now = sample(50, 50);
  was.wait_count = 100;
  now.wait_count = 731;
  was.wait_seconds = now.wait_seconds = 5;
  HuntInput input;
  input.accounts = {with_pools({was}), with_pools({now})};
  const auto explanation = hunt(input);
  ASSERT_TRUE(explanation.pool);
  EXPECT_TRUE(explanation.pool->exhausted);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kUnknown);
  EXPECT_THAT(explanation.diagnosis_reason, HasSubstr("nothing was given back"));
  // What both captures say is said once.
  ProcessGauges gauges;
  gauges.open_descriptors = 77;
  for (Account& account : input.accounts) account.gauges = {gauges};
  const auto evidence = step(hunt(input), HuntStage::kState).evidence;
  EXPECT_EQ(std::count(evidence.begin(), evidence.end(), "77 descriptors open"), 1);
  // Waits that did not rise are history.
  input.accounts[1].pools[0].wait_count = 100;
  input.accounts[0].pools[0].in_use = 7;
  EXPECT_FALSE(hunt(input).pool->exhausted);
}

TEST(Hunt, requests_parked_at_one_line_while_the_others_wait_hold_the_connections) {
  HuntInput input;
  input.accounts = {with_error(Trouble::kDeadline), with_pools({sample(50, 50)})};
  input.goroutines = capture({stuck(50), waiters(731)});
  const auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLeak);
  ASSERT_TRUE(explanation.pool);
  EXPECT_EQ(explanation.pool->now.waiting, 731);
  EXPECT_TRUE(explanation.pool->exhausted);
  ASSERT_TRUE(explanation.blame);
  EXPECT_EQ(explanation.blame->role, BlameRole::kHeld);
  EXPECT_EQ(explanation.blame->site, (Site{"main.hold", "main.go", 31}));
  ASSERT_THAT(explanation.steps, SizeIs(kHuntStages));
  EXPECT_THAT(step(explanation, HuntStage::kState).says, HasSubstr("50 of 50 in use"));
  EXPECT_THAT(step(explanation, HuntStage::kGrowth).missing, SizeIs(1));
}

TEST(Hunt, parked_goroutines_outside_of_requests_are_candidates_and_never_blamed) {
  HuntInput input;
  input.accounts = {with_pools({sample(5, 5)})};
  input.goroutines =
      capture({waiters(9), group(5, "chan receive",
                                 {frame("main.worker", "main.go", 77), frame("main.main")})});
  const auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLeak) << "in use by nobody that works with them";
  EXPECT_FALSE(explanation.blame);
  EXPECT_THAT(step(explanation, HuntStage::kHolders).evidence,
              testing::Contains(HasSubstr("whether they hold any is not told")));
  EXPECT_THAT(step(explanation, HuntStage::kLine).missing, SizeIs(1));
}

TEST(Hunt, holders_that_wait_for_the_database_are_slow_and_no_leak) {
  HuntInput input;
  input.accounts = {with_pools({sample(50, 50)})};
  input.goroutines = capture({in_query(48), waiters(200)});
  // A moment does not tell how long they take.
  EXPECT_EQ(hunt(input).diagnosis, Diagnosis::kUnknown);
  input.goroutines->groups[0].wait = WaitSeconds{60, 720};
  const auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kSlow);
  ASSERT_TRUE(explanation.blame);
  EXPECT_EQ(explanation.blame->role, BlameRole::kUsed);
  EXPECT_EQ(explanation.blame->site.line, 40U);
}

TEST(Hunt, a_pool_that_moves_while_callers_wait_is_too_small) {
  auto was = sample(10, 10), now = sample(10, 10);
  was.waiting = 3;
  now.waiting = 7;
  was.uses = 1000;
  now.uses = 9000;
  was.use_seconds = 20;
  now.use_seconds = 180;
  HuntInput input;
  input.accounts = {with_pools({was}), with_pools({now})};
  const auto small = hunt(input);
  EXPECT_EQ(small.diagnosis, Diagnosis::kLimitTooSmall);
  EXPECT_FALSE(small.blame);
  EXPECT_THAT(small.no_blame_reason, HasSubstr("bound of the pool"));
  EXPECT_THAT(step(small, HuntStage::kGrowth).evidence, testing::Contains("orders waiting: 3 → 7"));
  // The same with long uses.
  input.accounts[1].pools[0].use_seconds = 20 + 8000 * 2.5;
  EXPECT_EQ(hunt(input).diagnosis, Diagnosis::kSlow);
  // And where nothing comes back, counters alone do not tell which of both it is.
  input.accounts[1].pools[0].uses = 1000;
  const auto still = hunt(input);
  EXPECT_EQ(still.diagnosis, Diagnosis::kUnknown);
  EXPECT_THAT(still.diagnosis_reason, HasSubstr("nothing was given back"));
}

TEST(Hunt, a_restart_between_two_captures_is_no_course) {
  auto was = sample(50, 50), now = sample(2, 50);
  was.wait_count = 700;
  now.wait_count = 0;
  const auto courses = pool_courses({was, now});
  ASSERT_THAT(courses, SizeIs(1));
  EXPECT_THAT(courses[0].samples, SizeIs(1));
}

TEST(Hunt, transactions_whose_opener_ended_are_a_leak_without_a_line) {
  HuntInput input;
  input.accounts = {with_error(Trouble::kPoolExhausted)};
  input.goroutines = capture({waiters(4)});
  OpenInGo open;
  open.what = "transaction";
  open.count = 5;
  open.ended = true;
  input.open_in_go = {open};
  auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLeak);
  EXPECT_FALSE(explanation.blame);
  EXPECT_THAT(step(explanation, HuntStage::kLine).missing,
              testing::Contains(HasSubstr("tracebackancestors")));
  // Their ancestors name it.
  input.open_in_go[0].opening = {frame("database/sql.(*DB).BeginTx"),
                                 frame("main.begin", "a.go", 5)};
  explanation = hunt(input);
  ASSERT_TRUE(explanation.blame);
  EXPECT_EQ(explanation.blame->role, BlameRole::kBorrowed);
  EXPECT_EQ(explanation.blame->site.function, "main.begin");
}

TEST(Hunt, who_holds_one_and_waits_for_another_is_named) {
  HuntInput input;
  input.accounts = {with_pools({sample(5, 5)})};
  input.goroutines = capture({waiters(8)});
  OpenInGo open;
  open.what = "transaction";
  open.count = 5;
  open.state = "select";
  open.stack = waiters(1).stack;
  input.open_in_go = {open};
  const auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLeak);
  ASSERT_TRUE(explanation.blame);
  EXPECT_EQ(explanation.blame->role, BlameRole::kHeld);
  EXPECT_EQ(explanation.blame->site.line, 12U);
}

TEST(Hunt, what_a_pool_reports_names_the_borrower_and_what_it_had_back_is_slow) {
  Account log = with_error(Trouble::kLeakReported);
  ReportedHold hold;
  hold.reporter = "HikariCP";
  hold.count = 9;
  hold.stack = {frame("com.zaxxer.hikari.HikariDataSource.getConnection"),
                frame("com.acme.OrderDao.export", "OrderDao.java", 24)};
  log.holds = {hold};
  HuntInput input;
  input.accounts = {log};
  auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLeak);
  ASSERT_TRUE(explanation.blame);
  EXPECT_EQ(explanation.blame->role, BlameRole::kBorrowed);
  EXPECT_EQ(explanation.blame->site.line, 24U);
  input.accounts[0].holds[0].taken_back = 9;
  EXPECT_EQ(hunt(input).diagnosis, Diagnosis::kSlow);
  // Two lines with as many each: none is named.
  input.accounts[0].holds[0].taken_back = 0;
  hold.stack[1].line = 99;
  input.accounts[0].holds.push_back(hold);
  EXPECT_FALSE(hunt(input).blame);
}

TEST(Hunt, unread_response_bodies_are_a_leak_that_the_dump_alone_does_not_locate) {
  HuntInput input;
  input.accounts = {with_error(Trouble::kDescriptorsExhausted)};
  input.goroutines = capture({group(900, "select", {frame("net/http.(*persistConn).readLoop")}),
                              group(900, "select", {frame("net/http.(*persistConn).writeLoop")})});
  const auto explanation = hunt(input);
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLeak);
  EXPECT_FALSE(explanation.blame);
  EXPECT_THAT(step(explanation, HuntStage::kState).evidence,
              testing::Contains(HasSubstr("900 HTTP connections whose response body")));
  // Whoever reads one is at work.
  input.goroutines->groups.push_back(
      group(895, "IO wait", {frame("net/http.(*bodyEOFSignal).Read"), frame("main.copy")}));
  EXPECT_EQ(hunt(input).diagnosis, Diagnosis::kUnknown);
}

TEST(Hunt, a_connection_on_which_an_answer_is_awaited_is_not_idle) {
  HuntInput input;
  input.accounts = {with_error(Trouble::kDeadline)};
  input.goroutines = capture({group(13, "IO wait", {frame("net/http.(*persistConn).readLoop")})});
  EXPECT_THAT(step(hunt(input), HuntStage::kState).evidence,
              testing::Contains(HasSubstr("13 idle connections")));
  input.goroutines->groups.push_back(
      group(13, "select", {frame("net/http.(*persistConn).roundTrip"), frame("main.ask")}));
  EXPECT_THAT(step(hunt(input), HuntStage::kState).evidence,
              testing::Not(testing::Contains(HasSubstr("idle connections"))));
}

TEST(Hunt, a_death_is_shown_with_the_own_frame_behind_its_outermost_panic) {
  Death died;
  died.how = "panic";
  died.message = "boom";
  died.goroutine = 18;
  died.stack = {frame("main.deferred"), frame("panic"), frame("runtime.goPanicIndex"),
                frame("main.origin", "main.go", 5)};
  Account log;
  log.what = "log";
  log.died = died;
  log.deaths = 1;
  HuntInput input;
  input.accounts = {log};
  const auto explanation = hunt(input);
  ASSERT_TRUE(explanation.died);
  EXPECT_EQ(own_frame(*explanation.died)->function, "main.origin");
  EXPECT_THAT(step(explanation, HuntStage::kSymptom).says, HasSubstr("panic: boom"));
}

TEST(GoRoles, goroutines_are_told_apart_by_their_stacks) {
  EXPECT_EQ(role_of(waiters(1).stack, "select"), GoRole::kWaitsForPool);
  EXPECT_EQ(role_of(in_query(1).stack, "IO wait"), GoRole::kInQuery);
  EXPECT_EQ(role_of(stuck(1).stack, "chan receive"), GoRole::kParkedInOwn);
  const std::vector<NamedFrame> within = {frame("runtime.gopark"), frame("main.cb"),
                                          frame("gorm.io/gorm.(*DB).Transaction"),
                                          frame("main.save")};
  EXPECT_EQ(role_of(within, "sync.Mutex.Lock"), GoRole::kStuckHolding);
  EXPECT_EQ(role_of({frame("net.(*netFD).Read"), frame("net/http.(*conn).serve")}, "IO wait"),
            GoRole::kOther);
  EXPECT_EQ(role_of({frame("database/sql.(*DB).connectionOpener")}, "select"), GoRole::kOther);
  EXPECT_EQ(role_of({}, ""), GoRole::kOther);
  // A driver in C, one that has its own goroutine read, one of the user's own, and one that is
  // stuck.
  const std::vector<NamedFrame> sql = {frame("database/sql.ctxDriverStmtQuery"),
                                       frame("database/sql.(*DB).query"), frame("main.list")};
  const auto below = [&](const std::string& driver) {
    auto stack = sql;
    stack.insert(stack.begin(), frame(driver));
    return stack;
  };
  EXPECT_EQ(role_of(below("github.com/mattn/go-sqlite3._Cfunc_step"), "syscall"), GoRole::kInQuery);
  EXPECT_EQ(role_of(below("github.com/some/driver.(*Stmt).wait"), "select"), GoRole::kInQuery);
  EXPECT_EQ(role_of(below("main.(*tracing).Query"), "sleep"), GoRole::kInQuery);
  EXPECT_EQ(role_of(below("main.(*tracing).Query"), "chan send"), GoRole::kParkedInOwn);
  // A driver that is own code: its caller is who asks.
  const std::vector<NamedFrame> own_driver = {
      frame("net.(*netFD).Read"), frame("main.driver.Query"), frame("database/sql.(*DB).query"),
      frame("main.ask", "ask.go", 3)};
  EXPECT_EQ(role_of(own_driver, "IO wait"), GoRole::kInQuery);
  EXPECT_EQ(own_caller(own_driver)->function, "main.ask");
}

}  // namespace
}  // namespace unclosed
