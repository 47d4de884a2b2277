#include "cli/coverage_notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace unclosed {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CoverageNotes, all_seen_has_none) {
  EXPECT_TRUE(coverage_notes({}).empty());
  EXPECT_FALSE(is_incomplete({}));
}

TEST(CoverageNotes, full_tables_are_said_and_make_the_report_incomplete) {
  BpfCoverage seen;
  seen.unplaced = 12;
  seen.children_lost = 3;
  seen.failures_lost = 4;
  seen.stacks_lost = 5;
  EXPECT_THAT(coverage_notes(seen),
              ElementsAre(HasSubstr("12 are listed without their history"),
                          HasSubstr("3 child processes are not followed"),
                          HasSubstr("4 failed attempts"), HasSubstr("5 stacks")));
  EXPECT_TRUE(is_incomplete(seen));
  BpfCoverage lost;
  lost.events_lost = 1;
  EXPECT_TRUE(is_incomplete(lost));
}

TEST(CoverageNotes, what_no_hook_sees_is_said) {
  BpfCoverage seen;
  seen.direct_descriptors = 2;
  seen.of_32_bits = {{42, 7}};
  seen.missing_hooks = {"sys_exit_creat"};
  EXPECT_THAT(coverage_notes(seen),
              ElementsAre(HasSubstr("no sys_exit_creat"), HasSubstr("2 files are direct"),
                          HasSubstr("process 42 is a 32-bit program")));
  EXPECT_FALSE(is_incomplete(seen));
}

}  // namespace
}  // namespace unclosed
