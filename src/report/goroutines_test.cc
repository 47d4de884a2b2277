#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "report/golden.h"
#include "report/goroutines_json.h"
#include "report/goroutines_text.h"
#include "report/printable.h"
#include "report/schema_check.h"

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

NamedFrame frame(const char* function, const char* file, uint32_t line, bool own = false) {
  NamedFrame one;
  one.function = function;
  one.file = file;
  one.line = line;
  one.own = own;
  return one;
}

GoroutineGroup leaking() {
  GoroutineGroup group;
  group.count = 742;
  group.state = "chan receive";
  group.wait = WaitSeconds{0, 720};
  group.stack = {
      frame("runtime.gopark", "/usr/local/go/src/runtime/proc.go", 435),
      frame("example.org/ledger/store.(*Repo).wait", "/srv/ledger/store/repo.go", 88, true),
      frame("example.org/ledger/web.handle\x1b[2J", "/srv/ledger/web/handle.go", 31, true),
      frame("net/http.HandlerFunc.ServeHTTP", "/usr/local/go/src/net/http/server.go", 2294)};
  group.created_by = frame("example.org/ledger/web.serve", "/srv/ledger/web/serve.go", 12, true);
  group.parent = 18;
  group.ids = {40, 41, 42, 43};
  group.growth = 730;
  group.course = {12, 400, 742};
  return group;
}

GoroutineGroup reading() {
  GoroutineGroup group;
  group.count = 210;
  group.state = "IO wait";
  group.wait = WaitSeconds{60, 60};
  group.stack = {
      frame("internal/poll.runtime_pollWait", "/usr/local/go/src/runtime/netpoll.go", 351),
      frame("internal/poll.(*FD).Read", "/usr/local/go/src/internal/poll/fd_unix.go", 165),
      frame("net.(*conn).Read", "/usr/local/go/src/net/net.go", 196),
      frame("net/http.(*persistConn).readLoop", "/usr/local/go/src/net/http/transport.go", 2332)};
  group.created_by =
      frame("net/http.(*Transport).dialConn", "/usr/local/go/src/net/http/transport.go", 1945);
  group.growth = 0;
  group.course = {210, 210, 210};
  group.truncated = Truncation::kDepth;
  group.ancestors = {{frame("main.start", "/srv/ledger/main.go", 7, true)}};
  return group;
}

GoroutineCapture service() {
  GoroutineCapture capture;
  capture.source = "http://10.0.0.7:6060";
  capture.rung = "pprof";
  capture.go = "go1.26.8";
  capture.goroutines = 964;
  capture.growth = 725;
  capture.seconds_between = 10.02;
  capture.groups = {leaking(), reading()};
  GoroutineGroup locked;
  locked.count = 1;
  locked.state = "syscall";
  locked.locked_to_thread = 1;
  locked.growth = -5;
  locked.course = {6, 3, 1};
  locked.stack = {frame("main.watch", "/srv/ledger/main.go", 90, true)};
  capture.groups.push_back(locked);
  capture.others = 11;
  GoroutineGroup leaked = leaking();
  leaked.growth.reset();
  leaked.course.clear();
  leaked.count = leaked.leaked = 3;
  capture.leaked = {leaked};
  AllocationSite site;
  site.stack = {
      frame("runtime.makeslice", "/usr/local/go/src/runtime/slice.go", 117),
      frame("example.org/ledger/store.(*Repo).load", "/srv/ledger/store/repo.go", 60, true)};
  site.in_use_bytes = 12'582'912;
  site.in_use_objects = 3000;
  site.allocated_bytes = 20'000'000;
  site.allocated_objects = 5000;
  site.growth_bytes = 4'194'304;
  capture.allocations = {site};
  ContentionSite wait;
  wait.stack = {frame("sync.(*Mutex).Unlock", "/usr/local/go/src/sync/mutex.go", 65),
                frame("main.update", "/srv/ledger/main.go", 77, true)};
  wait.contentions = 120;
  wait.delay_seconds = 8.5;
  wait.growth_seconds = 2.25;
  capture.contentions = {wait};
  capture.damaged_at = 67108864;
  capture.notes = {"without goroutineleak: it answered 500\x07"};
  return capture;
}

TEST(GoroutinesText, a_service_with_a_leak_looks_as_kept) {
  expect_golden("goroutines.txt", goroutines_text(service(), {}));
  expect_golden("goroutines-60.txt", goroutines_text(service(), {.width = 60}));
  expect_golden("goroutines-colour.txt", goroutines_text(service(), {.colour = true}));
}

TEST(GoroutinesText, one_capture_alone_looks_as_kept) {
  GoroutineCapture one = service();
  one.growth.reset();
  one.seconds_between.reset();
  one.damaged_at.reset();
  one.leaked.clear();
  one.contentions.clear();
  one.notes.clear();
  one.allocations[0].growth_bytes.reset();
  for (GoroutineGroup& group : one.groups) {
    group.growth.reset();
    group.course.clear();
  }
  expect_golden("goroutines-one.txt",
                goroutines_text(one, {.top = 2, .next_command = "unclosed go dump.txt LATER.txt"}));
}

TEST(GoroutinesText, no_line_is_wider_than_the_page) {
  for (const size_t width : {60, 80, 100, 120}) {
    std::istringstream lines(goroutines_text(service(), {.width = width}));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(columns(line), width) << line;
  }
}

TEST(GoroutinesText, no_byte_of_a_target_reaches_the_terminal_as_a_control) {
  for (const char c : goroutines_text(service(), {})) {
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  }
}

TEST(GoroutinesText, groups_beyond_the_top_are_counted) {
  const auto text = goroutines_text(service(), {.top = 1});
  EXPECT_THAT(text, HasSubstr("and 222 goroutines in 2 more groups; --top 3 shows all"));
}

TEST(GoroutinesText, a_recursion_is_one_frame_with_its_depth) {
  GoroutineCapture one;
  one.goroutines = 1;
  one.groups.emplace_back().count = 1;
  for (int i = 0; i < 100; ++i)
    one.groups[0].stack.push_back(frame("main.deep", "/srv/main.go", 43, true));
  EXPECT_THAT(goroutines_text(one, {}), HasSubstr("main.deep main.go:43 (and 99 times more)"));
}

TEST(GoroutinesText, what_was_not_captured_is_not_called_zero) {
  GoroutineCapture heap;
  heap.allocations = service().allocations;
  const auto text = goroutines_text(heap, {});
  EXPECT_THAT(text, Not(HasSubstr("goroutine")));
  EXPECT_THAT(text, HasSubstr("memory that grew"));
}

TEST(GoroutinesJson, is_what_the_schema_says) {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/docs/schema/goroutines-1.json");
  SchemaCheck schema(nlohmann::ordered_json::parse(file));
  const auto document = nlohmann::ordered_json::parse(goroutines_json(service()));
  EXPECT_THAT(schema.faults(document), IsEmpty());
  const auto& first = document["groups"][0];
  EXPECT_EQ(first["count"], 742);
  EXPECT_EQ(first["growth"], 730);
  EXPECT_EQ(first["wait_seconds"]["max"], 720.0);
  EXPECT_EQ(first["blocked_at"]["function"], "example.org/ledger/store.(*Repo).wait");
  EXPECT_EQ(first["own"]["line"], 88);
  EXPECT_EQ(first["created_by"]["file"], "/srv/ledger/web/serve.go");
  EXPECT_TRUE(document["groups"][1]["own"].is_null());
  EXPECT_TRUE(document["groups"][2]["wait_seconds"].is_null());
  EXPECT_EQ(document["parked_in"]["network read"], 210);
  EXPECT_THAT(schema.faults(nlohmann::ordered_json::parse(goroutines_json({}))),
              testing::ElementsAre(HasSubstr("rung")))
      << "only that nobody said where it is from";
  EXPECT_TRUE(nlohmann::ordered_json::parse(goroutines_json({}))["goroutines"].is_null());
}

}  // namespace
}  // namespace unclosed
