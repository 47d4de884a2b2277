#include "collect/log/java_stacks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

namespace unclosed {
namespace {

using testing::SizeIs;

std::vector<ReportedHold> holds_in(const std::string& name) {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/src/collect/log/testdata/" + name);
  JavaStacks stacks;
  uint64_t number = 0;
  for (std::string line; std::getline(file, line);) stacks.line(0, line, ++number);
  EXPECT_GT(number, 0U) << name;
  return stacks.take();
}

bool passes(const std::vector<NamedFrame>& stack, const std::string& function, uint32_t line) {
  return std::any_of(stack.begin(), stack.end(), [&](const NamedFrame& frame) {
    return frame.function == function && frame.line == line;
  });
}

TEST(JavaStacks, frames_are_read_in_all_their_forms) {
  const auto plain = java_frame("\tat com.acme.Dao.find(Dao.java:41)");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->function, "com.acme.Dao.find");
  EXPECT_EQ(plain->file, "Dao.java");
  EXPECT_EQ(plain->line, 41U);
  const auto module = java_frame("    at java.base@17.0.15/java.lang.Thread.run(Thread.java:840)");
  ASSERT_TRUE(module);
  EXPECT_EQ(module->function, "java.lang.Thread.run");
  EXPECT_EQ(module->module, "java.base@17.0.15");
  const auto lambda =
      java_frame("\tat app//com.acme.Main$$Lambda$75/0x00007f4e.run(Unknown Source)");
  ASSERT_TRUE(lambda);
  EXPECT_EQ(lambda->function, "com.acme.Main$$Lambda$75/0x00007f4e.run");
  EXPECT_EQ(lambda->file, "");
  EXPECT_FALSE(java_frame("at noon (local time)"));
  EXPECT_FALSE(java_frame("\tat "));
  EXPECT_FALSE(java_frame("\tat a.b(c"));
}

TEST(JavaStacks, hikari_s_reports_are_counted_by_stack_with_pool_and_thread) {
  const auto holds = holds_in("hikari-leak.log");
  ASSERT_THAT(holds, SizeIs(1));
  EXPECT_EQ(holds[0].reporter, "HikariCP");
  EXPECT_EQ(holds[0].pool, "HikariPool-1");
  EXPECT_EQ(holds[0].thread, "http-nio-8080-exec-0");
  EXPECT_EQ(holds[0].count, 3U);
  EXPECT_EQ(holds[0].taken_back, 0U);
  EXPECT_TRUE(passes(holds[0].stack, "com.acme.shop.OrderDao.export", 24));
  EXPECT_THAT(holds[0].stack, SizeIs(4));
}

TEST(JavaStacks, what_hikari_had_back_is_known) {
  const auto holds = holds_in("hikari-slow.log");
  ASSERT_THAT(holds, SizeIs(1));
  EXPECT_EQ(holds[0].count, 3U);
  EXPECT_EQ(holds[0].taken_back, 3U);
}

TEST(JavaStacks, druid_tells_what_the_thread_does_meanwhile) {
  const auto holds = holds_in("druid-leak-stay.log");
  ASSERT_THAT(holds, SizeIs(1));
  EXPECT_EQ(holds[0].reporter, "Druid");
  EXPECT_EQ(holds[0].count, 3U);
  EXPECT_EQ(holds[0].thread, "http-nio-8080-exec-0");
  EXPECT_TRUE(passes(holds[0].stack, "com.acme.shop.OrderDao.export", 24));
  EXPECT_TRUE(passes(holds[0].doing, "java.lang.Thread.sleep", 0));
}

TEST(JavaStacks, tomcat_and_dbcp_tell_the_borrower_too) {
  for (const auto& [file, reporter] :
       {std::pair("tomcat-leak.log", "Tomcat JDBC"), std::pair("dbcp-leak.log", "DBCP")}) {
    const auto holds = holds_in(file);
    ASSERT_THAT(holds, SizeIs(1)) << file;
    EXPECT_EQ(holds[0].reporter, reporter);
    EXPECT_EQ(holds[0].count, 3U);
    EXPECT_TRUE(passes(holds[0].stack, "com.acme.shop.OrderDao.export", 24)) << file;
  }
}

}  // namespace
}  // namespace unclosed
