// Real logs from the file to the line: what is read, and what the hunt says of it.
#include "cli/explain_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "judge/hunt.h"

namespace unclosed {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::string kept(const std::string& name) {
  return UNCLOSED_SOURCE_DIR "/src/collect/log/testdata/" + name;
}

Explanation explained(const std::vector<std::string>& paths) {
  auto input = read_for_hunt(paths, {});
  EXPECT_TRUE(input) << (input ? "" : input.error().context);
  return input ? hunt(*std::move(input)) : Explanation();
}

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "unclosed-explain-XXXXXX";
    x_path = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(x_path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(x_path / name, std::ios::binary) << text;
    return x_path / name;
  }

 private:
  std::filesystem::path x_path;
};

// What a log must say: diagnosis, and the blamed function and line ("" for nobody).
struct Case {
  const char* file;
  Diagnosis diagnosis;
  BlameRole role;
  const char* function;
  uint32_t line;
};

TEST(ExplainFiles, real_logs_are_diagnosed_and_the_line_is_named_where_they_tell_it) {
  constexpr auto kLeak = Diagnosis::kLeak;
  constexpr auto kSlow = Diagnosis::kSlow;
  const std::vector<Case> cases = {
      {"go1.26.8-hold.log", kLeak, BlameRole::kHeld, "acme.test/shop/store.(*Store).Hold", 26},
      {"go1.20.14-hold.log", kLeak, BlameRole::kHeld, "acme.test/shop/store.(*Store).Hold", 26},
      {"go1.26.8-nested.log", kLeak, BlameRole::kHeld, "acme.test/shop/store.(*Store).Count", 15},
      {"go1.26.8-forget.log", kLeak, BlameRole::kHeld, "", 0},
      {"go1.26.8-forget-ancestors.log", kLeak, BlameRole::kBorrowed, "main.main.func3", 116},
      {"go1.26.8-slow-long.log", kSlow, BlameRole::kUsed, "acme.test/shop/store.(*Store).Count",
       15},
      // A moment of a few seconds tells no slowness.
      {"go1.26.8-slow.log", Diagnosis::kUnknown, BlameRole::kUsed, "", 0},
      {"go1.20.14-slow-long.log", kSlow, BlameRole::kUsed, "acme.test/shop/store.(*Store).Count",
       15},
      {"hikari-leak.log", kLeak, BlameRole::kBorrowed, "com.acme.shop.OrderDao.export", 24},
      {"hikari-slow.log", kSlow, BlameRole::kBorrowed, "com.acme.shop.OrderDao.slow", 33},
      {"druid-leak-stay.log", kLeak, BlameRole::kBorrowed, "com.acme.shop.OrderDao.export", 24},
      {"tomcat-leak.log", kLeak, BlameRole::kBorrowed, "com.acme.shop.OrderDao.export", 24},
      {"dbcp-leak.log", kLeak, BlameRole::kBorrowed, "com.acme.shop.OrderDao.export", 24},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.file);
    const auto explanation = explained({kept(one.file)});
    EXPECT_EQ(explanation.diagnosis, one.diagnosis) << explanation.diagnosis_reason;
    EXPECT_THAT(explanation.steps, SizeIs(kHuntStages));
    if (*one.function == '\0') {
      EXPECT_FALSE(explanation.blame);
      EXPECT_FALSE(explanation.no_blame_reason.empty());
      continue;
    }
    ASSERT_TRUE(explanation.blame) << explanation.no_blame_reason;
    EXPECT_EQ(explanation.blame->role, one.role);
    EXPECT_EQ(explanation.blame->site.function, one.function);
    EXPECT_EQ(explanation.blame->site.line, one.line);
  }
}

TEST(ExplainFiles, a_healthy_service_that_was_asked_for_its_goroutines_is_left_in_peace) {
  const auto explanation = explained({kept("go1.26.8-healthy.log")});
  EXPECT_THAT(explanation.steps, IsEmpty());
  EXPECT_FALSE(explanation.blame);
  ASSERT_TRUE(explanation.died);
  EXPECT_TRUE(explanation.died->asked);
}

TEST(ExplainFiles, where_a_panic_began_is_named_and_not_who_panicked_again) {
  for (const char* file : {"go1.26.8-panic-repanic.log", "go1.18.10-panic-repanic.log"}) {
    const auto explanation = explained({kept(file)});
    ASSERT_TRUE(explanation.died);
    const auto own = own_frame(*explanation.died);
    ASSERT_TRUE(own);
    EXPECT_EQ(own->function, "main.mustPanic");
    EXPECT_EQ(own->line, 52U);
  }
}

TEST(ExplainFiles, a_log_and_counters_of_several_moments_are_read_together) {
  const Folder folder;
  const auto counters = [](int uses, int waiting) {
    return "hikaricp_connections_active{pool=\"p\"} 10\nhikaricp_connections_max{pool=\"p\"} 10\n"
           "hikaricp_connections_pending{pool=\"p\"} " +
           std::to_string(waiting) + "\nhikaricp_connections_usage_seconds_count{pool=\"p\"} " +
           std::to_string(uses) + "\nhikaricp_connections_usage_seconds_sum{pool=\"p\"} " +
           std::to_string(uses / 50) + "\n";
  };
  const auto log =
      folder.write("app.log",
                   "p - Connection is not available, request timed out after 30001ms (total=10, "
                   "active=10, idle=0, waiting=3)\n");
  const auto explanation = explained(
      {log, folder.write("1.prom", counters(1000, 2)), folder.write("2.prom", counters(9000, 9))});
  EXPECT_EQ(explanation.diagnosis, Diagnosis::kLimitTooSmall) << explanation.diagnosis_reason;
  EXPECT_THAT(explanation.sources, SizeIs(3));
  ASSERT_TRUE(explanation.pool);
  EXPECT_EQ(explanation.pool->now.waiting, 9);
}

TEST(ExplainFiles, kinds_are_told_by_content) {
  const Folder folder;
  const std::string stats =
      R"({"MaxOpenConnections":5,"OpenConnections":5,"InUse":5,"Idle":0,"WaitCount":)";
  const auto first = folder.write("a.txt", stats + "1}"),
             second = folder.write("b.log", stats + "9}\n");
  const auto json = explained({first, second});
  ASSERT_TRUE(json.pool);
  EXPECT_TRUE(json.pool->exhausted);
  EXPECT_EQ(json.pool->was->wait_count, 1);
  const auto lines = explained({folder.write(
      "c.json",
      "{\"msg\":\"up\"}\n{\"msg\":\"x\",\"err\":\"pq: sorry, too many clients already\"}\n")});
  ASSERT_THAT(lines.errors, SizeIs(1));
  EXPECT_EQ(lines.errors[0].first_line, 2U);
  const std::string profile =
      UNCLOSED_SOURCE_DIR "/src/collect/pprof/testdata/goroutine-go1.26.pb.gz";
  ASSERT_TRUE(explained({profile}).goroutines);
}

TEST(ExplainFiles, what_cannot_be_read_is_an_error_with_its_id) {
  const auto missing = read_for_hunt({"/nonexistent/app.log"}, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().id, "UC-E024");
  EXPECT_EQ(missing.error().kind, ErrorKind::kUsage);
  const auto folder = read_for_hunt({"/"}, {});
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().id, "UC-E024");
  const auto program = read_for_hunt({"/proc/self/exe"}, {});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().id, "UC-E020");
  EXPECT_THAT(explained({"/dev/null"}).steps, IsEmpty());
}

}  // namespace
}  // namespace unclosed
