#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "report/explanation_json.h"
#include "report/explanation_text.h"
#include "report/golden.h"
#include "report/schema_check.h"

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::ordered_json;

NamedFrame frame(const std::string& function, const std::string& file, uint32_t line, bool own) {
  NamedFrame one;
  one.function = function;
  one.file = file;
  one.line = line;
  one.own = own;
  return one;
}

Explanation leak() {
  Explanation all;
  all.sources = {"app.log", "metrics.txt"};
  all.lines = 5312;
  Death died;
  died.how = "panic";
  died.message = "runtime error: index out of range [7] with length 3\x1b[2J";
  died.goroutine = 18;
  died.line = 4100;
  died.source = "app.log";
  died.state = "running";
  died.stack = {frame("main.pick", "/src/app/pick.go", 9, true)};
  died.created_by = frame("net/http.(*Server).Serve", "/go/src/net/http/server.go", 3464, false);
  all.died = died;
  all.deaths = 2;
  LogError error;
  error.kind = Trouble::kPoolExhausted;
  error.count = 3;
  error.first_line = 120;
  error.last_line = 4090;
  error.source = "app.log";
  error.from = "HikariCP";
  error.text = "HikariPool-1 - Connection is not available";
  all.errors = {error};
  PoolSample pool;
  pool.name = "orders";
  pool.format = "Prometheus, go_sql";
  pool.source = "metrics.txt";
  pool.open = pool.max = pool.in_use = 50;
  pool.idle = 0;
  pool.waiting = 731;
  pool.wait_seconds = 1.25;
  all.pool = PoolState{pool, pool, true, Diagnosis::kLeak};
  all.pools = {pool};
  all.diagnosis = Diagnosis::kLeak;
  all.diagnosis_reason = "50 connections are held by those who will not give them back";
  all.steps = {
      {HuntStage::kSymptom, "the process died: panic", {"3 × pool-exhausted (HikariCP)"}, {}},
      {HuntStage::kState,
       "the pool is exhausted: 50 of 50 in use, 0 idle, 731 waiting",
       {},
       {"states and queues of the sockets: unclosed ls PID"}},
      {HuntStage::kGrowth, "one moment tells no growth", {}, {"the same once more"}},
      {HuntStage::kHolders, "50 are held", {"50 × parked at main.hold (main.go:31)"}, {}},
      {HuntStage::kLine, "held by main.hold (main.go:31)", {"50 of 50"}, {}}};
  ReportedHold hold;
  hold.reporter = "HikariCP";
  hold.count = 3;
  hold.source = "app.log";
  hold.first_line = 130;
  hold.stack = {frame("com.acme.OrderDao.export", "OrderDao.java", 24, true)};
  all.holds = {hold};
  GoroutineCapture goroutines;
  goroutines.source = "app.log";
  goroutines.goroutines = 781;
  GoroutineGroup group;
  group.count = 50;
  group.state = "chan receive";
  group.stack = {frame("main.hold", "main.go", 31, true)};
  goroutines.groups = {group, group};
  all.goroutines = goroutines;
  Blame blame;
  blame.role = BlameRole::kHeld;
  blame.site = {"main.hold", "main.go", 31};
  blame.rule = "50 of 50 are parked";
  blame.confidence = 0.95;
  all.blame = blame;
  all.notes = {"1 line is longer than 32 MiB"};
  return all;
}

Explanation nothing() {
  Explanation all;
  all.sources = {"app.log"};
  all.lines = 12;
  all.no_blame_reason = "nothing in it speaks of trouble with connections";
  return all;
}

TEST(Explanation, its_json_keeps_to_the_published_schema) {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/docs/schema/explanation-1.json");
  SchemaCheck schema(Json::parse(file));
  const auto json = Json::parse(explanation_json(leak(), {}));
  EXPECT_THAT(schema.faults(json), IsEmpty());
  EXPECT_THAT(schema.faults(Json::parse(explanation_json(nothing(), {}))), IsEmpty());
  auto broken = json;
  broken["errors"][0]["kind"] = "bad";
  broken["pool"].erase("waiting");
  EXPECT_EQ(schema.faults(broken).size(), 2U);
}

TEST(Explanation, its_json_has_the_fields_that_were_promised) {
  const auto json = Json::parse(explanation_json(leak(), {.most_groups = 1}));
  EXPECT_EQ(json["died"]["goroutine"], 18);
  EXPECT_EQ(json["died"]["own"]["function"], "main.pick");
  EXPECT_EQ(json["pool"]["open"], 50);
  EXPECT_EQ(json["pool"]["waiting"], 731);
  EXPECT_EQ(json["pool"]["diagnosis"], "leak");
  EXPECT_EQ(json["steps"][0]["step"], "symptom");
  EXPECT_EQ(json["blame"]["role"], "held");
  EXPECT_EQ(json["blame"]["line"], 31);
  EXPECT_EQ(json["groups"].size(), 1U);
  EXPECT_EQ(json["groups"][0]["count"], 50);
  EXPECT_EQ(json["groups_omitted"], 1);
  const auto empty = Json::parse(explanation_json(nothing(), {}));
  EXPECT_TRUE(empty["died"].is_null());
  EXPECT_TRUE(empty["pool"].is_null());
  EXPECT_TRUE(empty["blame"].is_null());
  EXPECT_TRUE(empty["diagnosis"].is_null());
}

TEST(Explanation, its_text_looks_as_kept) {
  expect_golden("explanation.txt", explanation_text(leak(), {}));
  expect_golden("explanation-60.txt", explanation_text(leak(), {.width = 60}));
  expect_golden("explanation-colour.txt", explanation_text(leak(), {.colour = true}));
  expect_golden("explanation-nothing.txt", explanation_text(nothing(), {}));
}

TEST(Explanation, no_text_of_a_service_reaches_the_terminal_unescaped) {
  EXPECT_THAT(explanation_text(leak(), {}), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace unclosed
