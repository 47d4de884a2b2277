#include "report/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "report/sample_report.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json parsed(const Report& report, const JsonOptions& options = {}) {
  return Json::parse(report_json(report, options));
}

// As much of JSON Schema as docs/schema uses. Fields that the schema does not name are faults too:
// what is printed is documented.
class SchemaCheck {
 public:
  explicit SchemaCheck(Json schema) : x_schema(std::move(schema)) {}

  std::vector<std::string> faults(const Json& document) {
    x_faults.clear();
    check(document, x_schema, "$");
    return x_faults;
  }

 private:
  static bool has_type(const Json& value, const std::string& type) {
    if (type == "null") return value.is_null();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "array") return value.is_array();
    return type == "object" && value.is_object();
  }

  void check(const Json& value, const Json& schema, const std::string& path) {
    if (schema.contains("$ref")) {
      const auto name = schema["$ref"].get<std::string>();
      return check(value, x_schema["$defs"][name.substr(name.rfind('/') + 1)], path);
    }
    if (schema.contains("anyOf")) {
      // Always null or something else.
      return value.is_null() ? void() : check(value, schema["anyOf"][1], path);
    }
    if (schema.contains("const") && value != schema["const"]) fault(path, "is not the constant");
    if (schema.contains("enum")) {
      bool found = false;
      for (const auto& legal : schema["enum"]) found = found || value == legal;
      if (!found) fault(path, "is not a legal value: " + value.dump());
    }
    if (schema.contains("type")) {
      const auto types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
      bool right = false;
      for (const auto& type : types) right = right || has_type(value, type.get<std::string>());
      if (!right) return fault(path, "has another type: " + value.dump());
    }
    if (schema.contains("minimum") && value.is_number() && value < schema["minimum"]) {
      fault(path, "is too small");
    }
    if (value.is_object() && schema.contains("properties")) check_fields(value, schema, path);
    if (value.is_array()) {
      for (const auto& element : value) check(element, schema["items"], path + "[]");
    }
  }

  void check_fields(const Json& value, const Json& schema, const std::string& path) {
    for (const auto& name : schema["required"]) {
      if (!value.contains(name)) fault(path, "lacks " + name.get<std::string>());
    }
    for (const auto& [name, field] : value.items()) {
      if (schema["properties"].contains(name)) {
        check(field, schema["properties"][name], path + "." + name);
      } else {
        fault(path, "has a field that the schema does not name: " + name);
      }
    }
  }

  void fault(const std::string& path, const std::string& text) {
    x_faults.push_back(path + " " + text);
  }

  Json x_schema;
  std::vector<std::string> x_faults;
};

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
