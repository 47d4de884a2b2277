// Further numbers of one file: those that only come, and those that go again.
#include <gtest/gtest.h>

#include "judge/street.h"

namespace unclosed {
namespace {

const std::string kOpen = "main>lib:open";

// One file under further numbers, made each second from `from` to `to`.
void copies(Street& street, double from, double to, CopyHow how = CopyHow::kDuplicated) {
  auto& facts = street.open(Kind::kFile, Role::kUnknown, 0.1, kOpen);
  History& history = street.last();
  for (double when = from; when < to; when += 1) {
    const Descriptor place{facts.opener, 100 + static_cast<int>(when)};
    history.descriptors.push_back(place);
    history.copies.push_back(
        {place, {street.stack("main>keep>lib:dup"), Street::at(when), {100, 0}}, how});
  }
  for (int second = 0; second <= 60; ++second) {
    const double until = std::min<double>(second, to);
    street.histories.used_course[facts.opener].emplace_back(
        Street::at(second), 4 + static_cast<uint64_t>(std::max(0.0, until - from)));
  }
}

TEST(Copies, numbers_of_one_file_that_only_come_are_a_leak_of_the_line_that_makes_them) {
  Street street;
  copies(street, 1, 60);
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  const Finding& finding = judgement.findings[0];
  EXPECT_EQ(finding.verdict, Verdict::kLeaking);
  EXPECT_EQ(finding.copies, 59U);
  EXPECT_EQ(finding.descriptors, 60U);
  ASSERT_TRUE(finding.blame);
  EXPECT_EQ(finding.blame->site.function, "keep");
  EXPECT_EQ(finding.duplicated->function, "keep");
  EXPECT_EQ(finding.opened->function, "main");
  EXPECT_EQ(finding.connections.size(), 1U);
}

TEST(Copies, what_is_received_again_and_again_is_the_receivers) {
  Street street;
  copies(street, 1, 60, CopyHow::kReceived);
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_EQ(judgement.findings[0].received->function, "keep");
}

TEST(Copies, beside_others_that_grow_along_they_are_a_suspicion) {
  Street street;
  copies(street, 1, 60);
  for (auto& [process, course] : street.histories.used_course) {
    for (auto& [at, used] : course) used = 2 * used;
  }
  const auto judgement = street.judge();
  ASSERT_EQ(judgement.findings.size(), 1U);
  EXPECT_EQ(judgement.findings[0].verdict, Verdict::kSuspect);
}

TEST(Copies, those_made_at_the_start_and_those_that_go_again_are_none) {
  for (const auto& [from, to] : {std::pair(1.0, 12.0), std::pair(45.0, 60.0)}) {
    Street street;
    copies(street, from, to);
    EXPECT_TRUE(street.judge().findings.empty()) << from;
  }
}

}  // namespace
}  // namespace unclosed
