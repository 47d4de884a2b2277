#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "verdicts/services.h"

namespace unclosed {
namespace {

// UNCLOSED_SEEDS=200 for a measurement; a few for every build.
uint64_t seeds() {
  const char* text = std::getenv("UNCLOSED_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 3;
}

std::string describe(const Judgement& judgement) {
  std::string text;
  const auto add = [&](const Finding& finding) {
    text += std::string(to_string(finding.verdict)) + " " + std::string(to_string(finding.kind)) +
            " " + finding.peer + " x" + std::to_string(finding.count) + " older " +
            std::to_string(finding.older_matched) + " blamed " +
            (finding.blame ? finding.blame->site.function + " (" + finding.blame->rule + ")"
                           : "nobody: " + finding.no_blame_reason) +
            "\n";
    for (const auto& evidence : finding.evidence) {
      text += "    " + evidence.kind + (evidence.in_favour ? " for " : " against ") +
              (evidence.conclusive ? "! " : "") + evidence.text + "\n";
    }
  };
  for (const auto& finding : judgement.findings) add(finding);
  return text;
}

class LeakingService : public testing::TestWithParam<Service> {};
class HealthyService : public testing::TestWithParam<Service> {};

TEST_P(LeakingService, is_found_and_its_function_named) {
  const auto& service = GetParam();
  uint64_t missed = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    Course course = service.course;
    course.seed = seed;
    // Every third run at a tenth of all times.
    course.factor = seed % 3 == 0 ? 0.1 : 1;
    Scenario scenario(course);
    service.build(scenario);
    const auto judgement = scenario.judge();
    const bool right =
        judgement.findings.size() == 1 && judgement.findings[0].verdict >= service.at_least &&
        (service.blamed.empty()
             ? !judgement.findings[0].blame && !judgement.findings[0].no_blame_reason.empty()
             : judgement.findings[0].blame &&
                   judgement.findings[0].blame->site.function == service.blamed);
    if (right) continue;
    if (++missed == 1) {
      ADD_FAILURE() << service.name << " seed " << seed << "\n" << describe(judgement);
    }
  }
  EXPECT_EQ(missed, 0U) << "of " << seeds();
}

TEST_P(HealthyService, is_left_in_peace) {
  const auto& service = GetParam();
  uint64_t alarms = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    Course course = service.course;
    course.seed = seed;
    // Every third run at a tenth of all times.
    course.factor = seed % 3 == 0 ? 0.1 : 1;
    Scenario scenario(course);
    service.build(scenario);
    const auto judgement = scenario.judge();
    const bool told =
        std::any_of(judgement.groups.begin(), judgement.groups.end(),
                    [&](const Finding& group) { return group.diagnosis == service.diagnosis; });
    EXPECT_TRUE(told || service.diagnosis == Diagnosis::kUnknown) << service.name << " " << seed;
    const bool small = std::any_of(
        judgement.groups.begin(), judgement.groups.end(),
        [](const Finding& group) { return group.diagnosis == Diagnosis::kLimitTooSmall; });
    EXPECT_TRUE(!small || service.diagnosis == Diagnosis::kLimitTooSmall) << service.name;
    if (judgement.findings.empty()) continue;
    if (++alarms == 1) {
      ADD_FAILURE() << service.name << " seed " << seed << "\n" << describe(judgement);
    }
  }
  EXPECT_EQ(alarms, 0U) << "of " << seeds();
}

std::string name_of(const testing::TestParamInfo<Service>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Services, LeakingService, testing::ValuesIn(leaking_services()), name_of);
INSTANTIATE_TEST_SUITE_P(Services, HealthyService, testing::ValuesIn(healthy_services()), name_of);

}  // namespace
}  // namespace unclosed
