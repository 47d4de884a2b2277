#include "cli/saved_goroutines.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace unclosed {
namespace {

std::string dump_of_quit() {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/src/collect/pprof/testdata/quit.txt", std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty());
  return text.str();
}

// Each line of `text` between `before` and `after`.
std::string carried(const std::string& text, const std::string& before, const std::string& after) {
  std::stringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) out += before + line + after + "\n";
  return out;
}

GoroutineCapture read_in(const std::string& text) {
  auto captured = read_saved(ByteSource::of(text), "app.log");
  EXPECT_TRUE(captured) << (captured ? "" : captured.error().context);
  return captured ? std::move(captured->capture) : GoroutineCapture();
}

TEST(SavedGoroutines, a_dump_in_a_log_is_read_as_the_dump_by_itself) {
  const std::string text = dump_of_quit();
  const auto plain = read_in(text);
  ASSERT_GT(plain.goroutines, 10U);
  for (const std::string& log :
       {carried(text, "shop-1  | ", ""), carried(text, "", "\r"),
        carried(text, "Nov 21 03:02:01 web7 shop[123]: ", ""), carried(text, "\x1b[31m", "\x1b[0m"),
        carried(text, "", "\n2026/11/21 03:02:01 GET /orders 200 (1.2ms)")}) {
    const auto read = read_in(log);
    EXPECT_EQ(read.goroutines, plain.goroutines) << log.substr(0, 80);
    EXPECT_EQ(read.groups.size(), plain.groups.size()) << log.substr(0, 80);
    EXPECT_EQ(read.source, "app.log");
  }
}

TEST(SavedGoroutines, of_two_dumps_in_one_log_the_last_is_told_with_what_grew) {
  const std::string text = dump_of_quit();
  const auto plain = read_in(text);
  const auto both = read_in(text + "\nstarting again\n" + text);
  EXPECT_EQ(both.goroutines, plain.goroutines);
  EXPECT_EQ(both.growth, 0);
}

TEST(SavedGoroutines, where_a_log_was_cut_is_told) {
  const std::string text = dump_of_quit();
  const size_t last = text.rfind("\ngoroutine ") + 1;
  EXPECT_EQ(read_in(text.substr(0, last + 12)).damaged_at, last);
}

TEST(SavedGoroutines, a_log_without_goroutines_is_an_error_that_names_what_reads_it) {
  const auto none = read_saved(ByteSource::of("2026/11/21 03:02:01 ready\n"), "app.log");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().id, "UC-E020");
  EXPECT_NE(none.error().context.find("unclosed explain"), std::string::npos);
}

}  // namespace
}  // namespace unclosed
