#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "report/golden.h"
#include "report/goroutines_json.h"
#include "report/goroutines_text.h"
#include "report/schema_check.h"

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

GoroutineCapture live() {
  GoroutineCapture capture;
  capture.source = "pid 4242";
  capture.rung = "memory";
  capture.go = "go1.26.8";
  capture.goroutines = 3;
  GoroutineGroup group;
  group.count = 3;
  group.state = "select";
  group.ids = {18, 19, 20};
  capture.groups.push_back(group);
  GoMemory& memory = capture.memory.emplace();
  memory.running = 1;
  memory.hidden = 5;
  memory.cost = {0.012, 0.1, 0.007};
  NamedFrame at;
  at.function = "main.serve\x1b[2J";
  at.file = "/srv/app/main.go";
  at.line = 31;
  at.own = true;
  using For = DescriptorWaiter::For;
  memory.descriptors = {{7, {{18, For::kRead, 0, "", 754.0, at}, {19, For::kWrite, 0, "", {}, {}}}},
                        {9, {}},
                        {11, {{20, For::kCall, 4250, "read", {}, at}}}};
  memory.pools = {{0xc000, 3, 2, 3, 3, 0, 731, 75.5, {{true, 7}, {true, 9}, {true, {}}}},
                  {0xc100, 0, 2, 2, 1, 1, 0, 0, {{true, 12}, {false, 13}}}};
  memory.requests = {{HttpRequest::Role::kServing, 7, 18, "PUT", "/orders/\x1b[2J"},
                     {HttpRequest::Role::kAwaiting, 9, 19, "GET", "/"}};
  return capture;
}

TEST(GoMemoryText, a_live_process_looks_as_kept) {
  GoroutinesStyle style;
  expect_golden("goroutines-memory.txt", goroutines_text(live(), style));
  style.descriptors = DescriptorLines::kAll;
  style.width = 60;
  expect_golden("goroutines-descriptors.txt", goroutines_text(live(), style));
}

TEST(GoMemoryText, no_byte_of_a_target_reaches_the_terminal_as_a_control) {
  GoroutinesStyle style;
  style.descriptors = DescriptorLines::kAll;
  EXPECT_THAT(goroutines_text(live(), style), Not(HasSubstr("\x1b")));
}

TEST(GoMemoryText, requests_beyond_the_top_are_counted) {
  GoroutinesStyle style;
  style.top = 1;
  EXPECT_THAT(goroutines_text(live(), style), HasSubstr("and 1 more"));
}

TEST(GoMemoryText, pools_with_the_same_numbers_are_told_as_one) {
  GoroutineCapture capture = live();
  auto& pools = capture.memory->pools;
  pools.clear();
  for (int i = 0; i < 1000; ++i)
    pools.push_back({static_cast<uint64_t>(0xc000 + i), 2, 2, 1, 0, 1, 0, 0, {{false, 30 + i}}});
  const auto text = goroutines_text(capture, GoroutinesStyle());
  EXPECT_THAT(text, HasSubstr("1,000 pools of database/sql each 0 in use, 1 idle of at most 2"));
  EXPECT_THAT(text, HasSubstr("and 980 more"));
}

TEST(GoMemoryText, pools_beyond_the_top_are_counted) {
  GoroutinesStyle style;
  style.top = 1;
  EXPECT_THAT(goroutines_text(live(), style), HasSubstr("and 1 more pool of database/sql"));
}

TEST(GoMemoryJson, is_what_the_schema_says) {
  std::ifstream file(std::string(UNCLOSED_SOURCE_DIR) + "/docs/schema/goroutines-1.json");
  SchemaCheck check(nlohmann::ordered_json::parse(file));
  const auto document = nlohmann::ordered_json::parse(goroutines_json(live()));
  EXPECT_THAT(check.faults(document), IsEmpty());
  EXPECT_EQ(document["descriptors"][0]["waiters"][1]["for"], "write");
  EXPECT_TRUE(document["descriptors"][1]["waiters"].empty());
  EXPECT_EQ(document["pools"][0]["connections"][2]["fd"], nullptr);
  EXPECT_EQ(document["requests"][1]["role"], "awaiting");
  EXPECT_EQ(document["running"], 1);
}

TEST(GoMemoryJson, another_source_says_nothing_of_memory) {
  GoroutineCapture capture = live();
  capture.memory.reset();
  const auto document = nlohmann::ordered_json::parse(goroutines_json(capture));
  EXPECT_EQ(document["running"], nullptr);
  EXPECT_EQ(document["cost"], nullptr);
  EXPECT_TRUE(document["descriptors"].empty());
}

}  // namespace
}  // namespace unclosed
