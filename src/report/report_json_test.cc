#include "report/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "report/sample_report.h"
#include "report/schema_check.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json parsed(const Report& report, const JsonOptions& options = {}) {
  return Json::parse(report_json(report, options));
}

TEST(ReportJson, every_report_keeps_to_the_published_schema) {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/docs/schema/report-1.json");
  SchemaCheck schema(Json::parse(file));
  EXPECT_THAT(schema.faults(parsed(sample::two_findings())), testing::IsEmpty());
  EXPECT_THAT(schema.faults(parsed(sample::nothing_found())), testing::IsEmpty());
  auto broken = parsed(sample::two_findings());
  broken["findings"][0]["verdict"] = "bad";
  broken["limits"][0].erase("used");
  EXPECT_EQ(schema.faults(broken).size(), 2U);
}

TEST(ReportJson, the_process_is_the_first_of_the_processes) {
  const auto json = parsed(sample::two_findings());
  EXPECT_EQ(json["process"]["pid"], json["processes"][0]["pid"]);
  EXPECT_EQ(json["processes"][0]["started"], "2026-11-20T10:00:00Z");
  EXPECT_TRUE(parsed(Report())["process"].is_null());
}

TEST(ReportJson, connections_are_cut_and_the_rest_is_counted) {
  const auto cut = parsed(sample::two_findings(), {.most_connections = 5})["findings"][0];
  EXPECT_EQ(cut["connections"].size(), 5U);
  EXPECT_EQ(cut["connections_omitted"], 7);
  EXPECT_EQ(cut["count"], 12);
  const auto whole = parsed(sample::two_findings(), {.most_connections = SIZE_MAX})["findings"][0];
  EXPECT_EQ(whole["connections"].size(), 12U);
  EXPECT_EQ(whole["connections_omitted"], 0);
}

TEST(ReportJson, of_a_group_that_comes_cut_the_rest_is_counted) {
  auto report = sample::two_findings();
  report.judgement.groups[0].connections.resize(3);
  const auto group = parsed(report)["groups"][0];
  EXPECT_EQ(group["connections"].size(), 3U);
  EXPECT_EQ(group["connections_omitted"], 9);
}

TEST(ReportJson, stacks_stand_once_and_are_referred_to_by_index) {
  const auto json = parsed(sample::two_findings());
  ASSERT_EQ(json["stacks"].size(), 2U);
  const auto& stacks = json["findings"][0]["connections"][1]["stacks"];
  EXPECT_EQ(json["stacks"][stacks["opened"].get<size_t>()][1]["function"], "main.goodQuery");
  EXPECT_EQ(json["stacks"][stacks["used"].get<size_t>()][1]["function"], "main.leakyQuery");
  EXPECT_TRUE(stacks["received"].is_null());
  EXPECT_TRUE(json["findings"][0]["connections"][0]["stacks"]["opened"].is_null());
  EXPECT_EQ(json["stacks_truncated"][stacks["used"].get<size_t>()], "deeper than the walker keeps");
}

TEST(ReportJson, no_blame_is_null_with_its_reason) {
  const auto json = parsed(sample::two_findings());
  EXPECT_TRUE(json["findings"][1]["blame"].is_null());
  EXPECT_THAT(json["findings"][1]["blame_reason"].get<std::string>(), testing::HasSubstr("attach"));
  EXPECT_FALSE(json["findings"][0].contains("blame_reason"));
}

TEST(ReportJson, bytes_that_are_not_text_are_replaced) {
  const auto json = parsed(sample::two_findings());
  EXPECT_EQ(json["process"]["command"][3], "bad\xef\xbf\xbd\x1b[2Jbytes");
}

TEST(ReportJson, numbers_of_64_bits_stay_exact) {
  auto report = sample::two_findings();
  report.judgement.findings[0].connections[1].last_actor.goroutine = UINT64_MAX - 1;
  const auto json = parsed(report);
  EXPECT_EQ(json["findings"][0]["connections"][1]["goroutine"].get<uint64_t>(), UINT64_MAX - 1);
}

TEST(ReportJson, a_growth_that_is_no_number_is_null_and_not_broken_json) {
  auto report = sample::two_findings();
  report.judgement.findings[0].growth_per_minute = 1.0 / 0.0;
  EXPECT_TRUE(parsed(report)["findings"][0]["growth_per_minute"].is_null());
}

}  // namespace
}  // namespace unclosed
