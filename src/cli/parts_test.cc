// Durations, the catalogue of errors, source files: the small parts of the commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "cli/budget.h"
#include "cli/duration.h"
#include "cli/error_catalogue.h"
#include "cli/source_files.h"

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Durations, are_read_as_people_type_them) {
  const auto in_seconds = [](const char* text) { return seconds(parse_duration(text).value()); };
  EXPECT_DOUBLE_EQ(in_seconds("60s"), 60);
  EXPECT_DOUBLE_EQ(in_seconds("2m"), 120);
  EXPECT_DOUBLE_EQ(in_seconds("1m30s"), 90);
  EXPECT_DOUBLE_EQ(in_seconds("500ms"), 0.5);
  EXPECT_DOUBLE_EQ(in_seconds("1.5h"), 5400);
  EXPECT_DOUBLE_EQ(in_seconds("45"), 45);
  EXPECT_DOUBLE_EQ(in_seconds("2d"), 172800);
}

TEST(Durations, that_mean_nothing_are_usage_errors) {
  for (const char* text : {"", "0", "0s", "-5s", "+5s", "5x", "s", "1m30", "5 s", "inf", "nan",
                           "1e3s", "99999999999999", "0x10", "ms", "5s "}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().kind, ErrorKind::kUsage);
  }
}

TEST(Budgets, are_shares_of_a_core) {
  EXPECT_DOUBLE_EQ(parse_budget("2%").value(), 0.02);
  EXPECT_DOUBLE_EQ(parse_budget("2 %").value(), 0.02);
  EXPECT_DOUBLE_EQ(parse_budget("0.5").value(), 0.005);
  EXPECT_DOUBLE_EQ(parse_budget("100%").value(), 1);
  EXPECT_DOUBLE_EQ(parse_budget("off").value(), 0);
  for (const char* text : {"", "0", "-1%", "101%", "2%%", "2 x", "%", "nan", "inf", "OFF", "1e1"}) {
    const auto budget = parse_budget(text);
    ASSERT_FALSE(budget) << text;
    EXPECT_EQ(budget.error().kind, ErrorKind::kUsage);
  }
}

TEST(Catalogue, every_entry_is_whole_and_stands_once) {
  std::set<std::string_view> ids;
  for (const auto& entry : error_catalogue()) {
    EXPECT_TRUE(ids.insert(entry.id).second) << entry.id;
    EXPECT_TRUE(std::regex_match(std::string(entry.id), std::regex("UC-E[0-9]{3}"))) << entry.id;
    for (const auto text : {entry.what, entry.why, entry.fix, entry.still_works}) {
      EXPECT_FALSE(text.empty()) << entry.id;
      EXPECT_FALSE(text.ends_with('.')) << entry.id;
    }
  }
}

TEST(Catalogue, every_id_that_the_sources_use_is_in_it) {
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(UNCLOSED_SOURCE_DIR "/src")) {
    const auto name = file.path().string();
    if (!name.ends_with(".cc") || name.ends_with("_test.cc")) continue;
    const auto text = content(file.path());
    const std::regex id("UC-[EW][0-9]+");
    for (std::sregex_iterator one(text.begin(), text.end(), id); one != std::sregex_iterator();
         ++one) {
      EXPECT_NE(find_in_catalogue(one->str()), nullptr) << one->str() << " in " << name;
    }
  }
}

TEST(Catalogue, docs_errors_md_is_the_catalogue) {
  const std::filesystem::path path = UNCLOSED_SOURCE_DIR "/docs/errors.md";
  if (std::getenv("UNCLOSED_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << catalogue_markdown();
  EXPECT_EQ(content(path), catalogue_markdown());
}

TEST(Catalogue, an_error_without_an_id_is_explained_by_its_kind) {
  EXPECT_THAT(error_text({ErrorKind::kDenied, "no", {}}), HasSubstr("error UC-E004: no\n"));
  EXPECT_THAT(error_text({ErrorKind::kGone, "", {}}), HasSubstr("the process is not there"));
}

class SourceFilesTest : public testing::Test {
 protected:
  SourceFilesTest() {
    std::filesystem::create_directories(x_root + "/src");
    std::ofstream(x_root + "/src/main.go") << "one\ntwo\ndb := open(\"postgres://u:pw@h/d\")\n";
    std::ofstream(x_root + "/src/secret") << "secret\n";
    std::filesystem::create_symlink("/src/main.go", x_root + "/src/link.go");
    std::filesystem::create_symlink("/src/secret", x_root + "/src/trap.go");
    std::filesystem::create_symlink("../../../../../../etc/hostname", x_root + "/src/out.go");
    EXPECT_EQ(::mkfifo((x_root + "/src/pipe.go").c_str(), 0600), 0);
  }
  ~SourceFilesTest() override { std::filesystem::remove_all(x_root); }

  std::vector<SourceLine> read(const std::string& file) {
    return source_files({{x_root}, {}})(file, 2, 9);
  }

  std::string x_root = testing::TempDir() + "unclosed_source_files_" + std::to_string(::getpid());
};

TEST_F(SourceFilesTest, lines_come_from_the_targets_root_without_secrets) {
  const auto lines = read("/src/main.go");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].number, 2U);
  EXPECT_EQ(lines[0].text, "two");
  EXPECT_EQ(lines[1].text, "db := open(\"postgres://u:***@h/d\")");
}

TEST_F(SourceFilesTest, links_are_followed_within_the_root_and_to_source_files_only) {
  EXPECT_EQ(read("/src/link.go").size(), 2U);
  EXPECT_THAT(read("/src/trap.go"), IsEmpty());
  EXPECT_THAT(read("/src/out.go"), IsEmpty());
}

TEST_F(SourceFilesTest, what_is_no_source_file_is_not_read) {
  EXPECT_THAT(read("/src/secret"), IsEmpty());
  EXPECT_THAT(read("/src/pipe.go"), IsEmpty());
  EXPECT_THAT(read("/src"), IsEmpty());
  EXPECT_THAT(read("/src/gone.go"), IsEmpty());
  EXPECT_THAT(read("main.go"), IsEmpty());
  EXPECT_THAT(read(""), IsEmpty());
}

TEST_F(SourceFilesTest, moved_sources_are_found_where_they_are) {
  const auto moved = parse_moved("app/=" + x_root + "/src/");
  ASSERT_TRUE(moved);
  const auto reader = source_files({{}, {*moved}});
  EXPECT_EQ(reader("app/main.go", 1, 1).size(), 1U);
  for (const char* wrong : {"", "=", "a=", "=b", "ab"}) EXPECT_FALSE(parse_moved(wrong)) << wrong;
}

}  // namespace
}  // namespace unclosed
