#include "ledger/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <numeric>

#include "ledger/packed.h"

namespace unclosed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kAttached{1'000'000'000'000};
Instant after(double s) { return kAttached + from_seconds(s); }

ConnectionFacts dialled(uint64_t object, double at, StackId stack = 7) {
  ConnectionFacts facts;
  facts.id = {object, 1};
  facts.opener = {100, 5};
  facts.kind = Kind::kTcp;
  facts.role = Role::kClient;
  facts.peer = {AF_INET, 5432, {10, 0, 0, 3}};
  facts.local = {AF_INET, 40000, {10, 0, 0, 1}};
  facts.opened = {stack, after(at), {100, 0}};
  facts.state = TcpState::kEstablished;
  return facts;
}

void used(ConnectionFacts& facts, double at, StackId stack = 9) {
  facts.requests[0] = Use{stack, after(at), {100, 0}};
  ++facts.request_count;
  facts.last_send = after(at);
  facts.last_receive = after(at) + milliseconds(1);
  facts.bytes_received += 10;
}

void scan(Ledger& ledger, double at, const std::vector<ConnectionFacts>& open) {
  ledger.accept(ScanBegin{after(at)});
  int fd = 3;
  for (const auto& facts : open) ledger.accept(Seen{after(at), facts, {{facts.opener, fd++}}});
  ledger.accept(ScanEnd{after(at), 0, 0});
}

const Cohort& only_cohort(const Histories& histories) {
  EXPECT_EQ(histories.cohorts.size(), 1U);
  return histories.cohorts.begin()->second;
}

TEST(Packed, facts_come_back_as_they_went_in) {
  auto facts = dialled(0xffff888012345678, 3);
  facts.peer = {AF_INET6, 443, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}};
  facts.name = "/run/app.sock";
  facts.duplicated = Use{11, after(4), {1, 2}};
  facts.first_receive = Use{12, after(-5), {3, 4}};
  facts.borrowed[0] = Use{13, after(7), {5, 6}};
  facts.borrowed_times[0] = 300;
  facts.returned = Use{14, after(8), {5, 6}};
  facts.peer_closed_at = after(6);
  facts.connect_errno = 111;
  facts.recv_queue = 9861;
  used(facts, 5);
  const std::vector<Descriptor> held = {{{100, 5}, 7}, {{101, 6}, 8}};
  facts.copied_from = Use{15, after(2), {7, 8}};
  const std::vector<Copy> copies = {{held[1], {16, after(9), {1, 2}}, CopyHow::kReceived}};
  const PackedFacts packed(facts, held, kAttached, copies);
  const auto back = packed.facts(kAttached);
  EXPECT_EQ(back.id, facts.id);
  EXPECT_EQ(back.peer, facts.peer);
  EXPECT_EQ(back.local, facts.local);
  EXPECT_EQ(back.name, facts.name);
  EXPECT_EQ(back.opened.at, facts.opened.at);
  EXPECT_EQ(back.duplicated->by.goroutine, 2U);
  EXPECT_EQ(back.first_receive->at, after(-5));
  EXPECT_EQ(back.borrowed[0]->stack, 13U);
  EXPECT_EQ(back.borrowed[0]->by.goroutine, 6U);
  EXPECT_EQ(back.borrowed_times, facts.borrowed_times);
  EXPECT_FALSE(back.borrowed[1]);
  EXPECT_EQ(back.returned->stack, 14U);
  EXPECT_EQ(back.requests[0]->stack, 9U);
  EXPECT_FALSE(back.requests[1]);
  EXPECT_EQ(back.peer_closed_at, facts.peer_closed_at);
  EXPECT_FALSE(back.end_seen_at);
  EXPECT_EQ(back.connect_errno, 111);
  EXPECT_EQ(back.recv_queue, 9861U);
  EXPECT_EQ(packed.descriptors(kAttached), held);
  EXPECT_EQ(back.copied_from->stack, 15U);
  ASSERT_EQ(packed.copies(kAttached).size(), 1U);
  EXPECT_EQ(packed.copies(kAttached)[0].place, held[1]);
  EXPECT_EQ(packed.copies(kAttached)[0].made.at, after(9));
  EXPECT_EQ(packed.copies(kAttached)[0].how, CopyHow::kReceived);
  EXPECT_LT(packed.bytes(), 208U);
}

TEST(Ledger, one_that_is_closed_before_any_scan_counts) {
  Ledger ledger(kAttached);
  ledger.accept(Closed{after(1.5), dialled(1, 1), {77, after(1.5), {}}});
  const auto histories = ledger.histories(after(2));
  EXPECT_TRUE(histories.open.empty());
  const auto& cohort = only_cohort(histories);
  EXPECT_EQ(cohort.opened, 1U);
  EXPECT_EQ(cohort.closed, 1U);
  EXPECT_EQ(cohort.openings, std::vector<Instant>{after(1)});
  ASSERT_EQ(cohort.closers.size(), 1U);
  EXPECT_EQ(cohort.closers[0].stack, 77U);
  ASSERT_EQ(cohort.samples.size(), 1U);
  EXPECT_EQ(cohort.samples[0].closed_by, 77U);
  EXPECT_EQ(histories.opened_total, 1U);
  EXPECT_EQ(histories.closed_total, 1U);
}

TEST(Ledger, one_that_is_missing_in_a_scan_has_vanished) {
  Ledger ledger(kAttached);
  scan(ledger, 1, {dialled(1, 0.5), dialled(2, 0.5)});
  scan(ledger, 2, {dialled(2, 0.5)});
  const auto histories = ledger.histories(after(2));
  ASSERT_EQ(histories.open.size(), 1U);
  EXPECT_EQ(histories.open[0].facts.id.object, 2U);
  EXPECT_EQ(only_cohort(histories).closed, 1U);
  EXPECT_TRUE(only_cohort(histories).closers.empty());
}

TEST(Ledger, what_vanished_with_its_process_was_left_behind_by_it) {
  Ledger ledger(kAttached);
  auto job = dialled(1, 1, 8);
  job.opener = {101, 6};
  auto before = dialled(2, 1, 9);
  before.opener = job.opener;
  before.before_attach = true;
  const auto others = dialled(3, 1);
  auto ended_unseen = dialled(4, 1, 10);
  ended_unseen.opener = {102, 7};
  scan(ledger, 1, {job, before, others, ended_unseen});
  ledger.accept(ProcessGone{after(1.5), job.opener, true});
  ledger.accept(ProcessGone{after(1.5), ended_unseen.opener});
  scan(ledger, 2, {});
  const auto left = ledger.histories(after(2)).left_behind;
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].opened, 8U);
  EXPECT_EQ(left[0].count, 1U);
}

TEST(Ledger, ways_of_leaving_something_behind_are_bounded_and_all_are_counted) {
  Ledger ledger(kAttached);
  std::vector<ConnectionFacts> many;
  for (uint64_t i = 1; i <= 2000; ++i) many.push_back(dialled(i, 1, 100 + i));
  scan(ledger, 1, many);
  ledger.accept(ProcessGone{after(1.5), many[0].opener, true});
  scan(ledger, 2, {});
  const auto left = ledger.histories(after(2)).left_behind;
  EXPECT_LE(left.size(), 1025U);
  const auto sum = std::accumulate(left.begin(), left.end(), uint64_t{0},
                                   [](uint64_t all, const auto& one) { return all + one.count; });
  EXPECT_EQ(sum, 2000U);
}

TEST(Ledger, a_scan_that_has_not_ended_closes_nothing) {
  Ledger ledger(kAttached);
  scan(ledger, 1, {dialled(1, 0.5)});
  ledger.accept(ScanBegin{after(2)});
  EXPECT_EQ(ledger.histories(after(2)).open.size(), 1U);
}

TEST(Ledger, a_scan_that_read_an_old_copy_does_not_reopen_what_was_closed) {
  Ledger ledger(kAttached);
  scan(ledger, 1, {dialled(1, 0.5)});
  ledger.accept(Closed{after(1.9), dialled(1, 0.5), {}});
  scan(ledger, 2, {dialled(1, 0.5)});
  const auto histories = ledger.histories(after(2));
  EXPECT_TRUE(histories.open.empty());
  EXPECT_EQ(only_cohort(histories).opened, 1U);
  EXPECT_EQ(only_cohort(histories).closed, 1U);
}

TEST(Ledger, one_opened_before_the_attach_is_no_opening) {
  Ledger ledger(kAttached);
  auto old = dialled(1, 0);
  old.before_attach = true;
  scan(ledger, 1, {old});
  ledger.accept(Closed{after(1.5), old, {}});
  const auto histories = ledger.histories(after(2));
  EXPECT_EQ(histories.cohorts.begin()->first.opened, kNoStack);
  EXPECT_EQ(only_cohort(histories).opened, 0U);
  EXPECT_EQ(only_cohort(histories).closed, 0U);
}

TEST(Ledger, a_connection_takes_its_opening_along_when_its_peer_becomes_known) {
  Ledger ledger(kAttached);
  auto facts = dialled(1, 0.5);
  facts.peer = {};
  facts.role = Role::kUnknown;
  scan(ledger, 1, {facts});
  scan(ledger, 2, {dialled(1, 0.5)});
  const auto histories = ledger.histories(after(2));
  ASSERT_EQ(histories.open.size(), 1U);
  EXPECT_EQ(histories.open[0].cohort.peer, "10.0.0.3:5432");
  EXPECT_EQ(histories.cohorts.at(histories.open[0].cohort).opened, 1U);
  uint64_t opened = 0;
  for (const auto& [key, cohort] : histories.cohorts) opened += cohort.opened;
  EXPECT_EQ(opened, 1U);
}

TEST(Ledger, accepted_ones_belong_together_by_their_port) {
  Ledger ledger(kAttached);
  auto one = dialled(1, 0.5);
  auto two = dialled(2, 0.5);
  one.role = two.role = Role::kServer;
  one.local.port = two.local.port = 8080;
  one.peer.port = 1111;
  scan(ledger, 1, {one, two});
  EXPECT_EQ(only_cohort(ledger.histories(after(1))).opened, 2U);
}

TEST(Ledger, a_use_after_dials_have_passed_it_over_is_remembered) {
  Ledger ledger(kAttached);
  auto facts = dialled(1, 0);
  used(facts, 0.1);
  scan(ledger, 1, {facts});
  std::vector<ConnectionFacts> open = {facts, dialled(2, 2), dialled(3, 2.2), dialled(4, 2.4)};
  scan(ledger, 3, open);
  used(open[0], 3.5);
  scan(ledger, 4, open);
  const auto histories = ledger.histories(after(4));
  EXPECT_EQ(histories.open[0].reused_after_passed_over, 1U);
  const auto& cohort = only_cohort(histories);
  EXPECT_EQ(cohort.passed_over_reused, 1U);
  ASSERT_EQ(cohort.reuses.size(), 1U);
  EXPECT_EQ(cohort.reuses[0].used_at, after(3.5));
}

TEST(Ledger, bytes_that_nobody_asked_for_are_a_push_and_not_an_answer) {
  Ledger ledger(kAttached);
  auto facts = dialled(1, 0);
  used(facts, 0.1);
  scan(ledger, 1, {facts});
  facts.recv_queue = 120;
  scan(ledger, 2, {facts});
  EXPECT_TRUE(ledger.histories(after(2)).open[0].unread_unasked);
  facts.recv_queue = 0;
  facts.last_receive = after(2.5);
  facts.bytes_received += 120;
  scan(ledger, 3, {facts});
  const auto history = ledger.histories(after(3)).open[0];
  EXPECT_EQ(history.pushes, 1U);
  EXPECT_FALSE(history.unread_since);
}

TEST(Ledger, the_rest_of_an_answer_is_not_unasked) {
  Ledger ledger(kAttached);
  auto facts = dialled(1, 0);
  scan(ledger, 1, {facts});
  used(facts, 1.5);
  facts.recv_queue = 9861;
  scan(ledger, 2, {facts});
  scan(ledger, 3, {facts});
  const auto history = ledger.histories(after(3)).open[0];
  EXPECT_FALSE(history.unread_unasked);
  EXPECT_EQ(history.unread_since, after(2));
}

TEST(Ledger, the_course_tells_open_and_unused_at_each_scan) {
  Ledger ledger(kAttached);
  auto facts = dialled(1, 0);
  used(facts, 0.1);
  auto waiting = dialled(2, 0);
  waiting.last_send = after(0.1);
  scan(ledger, 1, {facts, waiting});
  scan(ledger, 2, {facts});
  const auto histories = ledger.histories(after(2));
  const auto& course = only_cohort(histories).course;
  ASSERT_EQ(course.size(), 2U);
  EXPECT_EQ(course[0].open, 2U);
  EXPECT_EQ(course[0].unused, 1U);
  EXPECT_EQ(course[1].open, 1U);
  EXPECT_EQ(histories.used_course.at({100, 5}).size(), 2U);
}

TEST(Ledger, what_lay_before_the_attach_counts_as_unused_until_it_is_used) {
  Ledger ledger(kAttached);
  auto old = dialled(1, 0);
  old.before_attach = true;
  scan(ledger, 0.1, {old});
  used(old, 1.95);
  scan(ledger, 2, {old});
  const auto histories = ledger.histories(after(2));
  const auto& course = only_cohort(histories).course;
  ASSERT_EQ(course.size(), 2U);
  EXPECT_EQ(course[0].unused, 1U);
  EXPECT_EQ(course[1].unused, 0U);
}

// Whose thread closed them is what tells: their stacks are those of any close.
TEST(Ledger, closes_by_a_collector_are_counted_apart_from_those_of_the_service) {
  Ledger ledger(kAttached);
  for (uint64_t i = 0; i < 30; ++i) {
    ledger.accept(Closed{after(2), dialled(i, 1), {7, after(2), {}}, i % 3 == 0});
  }
  const auto histories = ledger.histories(after(3));
  const auto& cohort = only_cohort(histories);
  EXPECT_EQ(cohort.closed, 30U);
  EXPECT_EQ(cohort.collected, 10U);
  ASSERT_EQ(cohort.closers.size(), 1U);
  EXPECT_EQ(cohort.closers[0].count, 20U);
  ASSERT_EQ(cohort.firsts.size(), 2U);
  EXPECT_TRUE(cohort.firsts[0].by_collector);
  EXPECT_FALSE(cohort.firsts[1].by_collector);
}

TEST(Ledger, what_is_remembered_of_closed_ones_is_bounded) {
  Ledger ledger(kAttached);
  for (uint64_t i = 0; i < 20'000; ++i) {
    ledger.accept(Closed{after(2), dialled(i, 1), {i % 1000 + 1, after(2), {}}});
  }
  for (int i = 0; i < 1100; ++i) scan(ledger, 3 + i, {});
  const auto histories = ledger.histories(after(2100));
  const auto& cohort = only_cohort(histories);
  EXPECT_EQ(cohort.closed, 20'000U);
  EXPECT_LE(cohort.samples.size(), Cohort::kMostSamples);
  EXPECT_LE(cohort.openings.size(), Cohort::kMostOpenings);
  EXPECT_EQ(cohort.openings.size(), cohort.openers.size());
  EXPECT_LE(cohort.closers.size(), Cohort::kMostClosers);
  EXPECT_LE(cohort.course.size(), Cohort::kMostPoints);
  EXPECT_EQ(cohort.course.back().at, after(3 + 1099));
}

TEST(Ledger, cohorts_without_open_members_give_way_when_there_are_too_many) {
  Ledger ledger(kAttached);
  for (uint64_t i = 1; i <= 10'000; ++i) {
    ledger.accept(Closed{after(1), dialled(i, 0.5, i), {}});
  }
  scan(ledger, 2, {dialled(50'000, 0.5, 99'999)});
  const auto histories = ledger.histories(after(3));
  EXPECT_LE(histories.cohorts.size(), 4096U);
  EXPECT_TRUE(histories.cohorts.contains(histories.open.at(0).cohort));
}

TEST(Ledger, of_very_many_the_longest_idle_are_copied_and_the_rest_is_counted) {
  Ledger ledger(kAttached);
  std::vector<ConnectionFacts> open;
  for (uint64_t i = 0; i < 40'000; ++i) {
    open.push_back(dialled(i + 1, 1 + 1e-4 * static_cast<double>(i), i < 39'000 ? 7 : 8));
  }
  scan(ledger, 10, open);
  const auto histories = ledger.histories(after(11));
  EXPECT_LE(histories.open.size(), Ledger::kMostCopied + 2000);
  std::map<StackId, uint64_t> counts;
  bool oldest = false;
  for (const auto& history : histories.open) {
    counts[history.cohort.opened] += history.stands_for;
    oldest |= history.facts.id.object == 1 && history.stands_for == 1;
  }
  EXPECT_EQ(counts.at(7), 39'000U);
  EXPECT_EQ(counts.at(8), 1000U);
  EXPECT_TRUE(oldest);
}

TEST(Ledger, loss_is_kept_as_a_gap) {
  Ledger ledger(kAttached);
  ledger.accept(Lost{after(1), after(2), LossReason::kRingFull, 12});
  ledger.accept(Lost{after(2), after(3), LossReason::kRingFull, 0});
  for (int i = 0; i < 3000; ++i) {
    ledger.accept(Lost{after(3 + i), after(4 + i), LossReason::kRaced, 1});
  }
  const auto gaps = ledger.histories(after(4000)).gaps;
  EXPECT_LE(gaps.size(), 1024U);
  EXPECT_EQ(gaps[0].count, 12U);
  const auto sum = std::accumulate(gaps.begin(), gaps.end(), uint64_t{0},
                                   [](uint64_t all, const Gap& gap) { return all + gap.count; });
  EXPECT_EQ(sum, 3012U);
}

TEST(Ledger, a_later_total_of_failures_replaces_the_earlier) {
  Ledger ledger(kAttached);
  ledger.accept(Failed{after(1), {100, 5}, Attempt::kSocket, 24, 3, 5, {}});
  ledger.accept(Failed{after(2), {100, 5}, Attempt::kSocket, 24, 3, 9, {}});
  const auto failures = ledger.histories(after(3)).failures;
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].count, 9U);
}

TEST(Ledger, the_same_records_give_the_same_histories) {
  const auto play = [] {
    Ledger ledger(kAttached);
    for (uint64_t i = 0; i < 500; ++i) ledger.accept(Closed{after(1), dialled(i + 1000, 0.5), {}});
    std::vector<ConnectionFacts> open;
    for (uint64_t i = 0; i < 50; ++i) open.push_back(dialled(i + 1, 0.5));
    scan(ledger, 1, open);
    return ledger.histories(after(2));
  };
  const auto a = play();
  const auto b = play();
  ASSERT_EQ(a.open.size(), b.open.size());
  for (size_t i = 0; i < a.open.size(); ++i) EXPECT_EQ(a.open[i].facts.id, b.open[i].facts.id);
  const auto& one = only_cohort(a).samples;
  const auto& two = only_cohort(b).samples;
  ASSERT_EQ(one.size(), two.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].facts.id, two[i].facts.id);
}

TEST(Ledger, taking_the_histories_leaves_nothing_behind) {
  Ledger ledger(kAttached);
  scan(ledger, 1, {dialled(1, 0.5)});
  const auto histories = std::move(ledger).take_histories(after(2));
  EXPECT_EQ(histories.open.size(), 1U);
}

TEST(Ledger, one_from_before_the_attach_was_dialled_when_others_dial_its_peer) {
  for (const bool others : {false, true}) {
    Ledger ledger(kAttached);
    auto old = dialled(1, 0);
    old.before_attach = true;
    old.role = Role::kUnknown;
    old.peer.port = 40100;
    auto other = dialled(2, 1);
    if (others) other.peer.port = 40100;
    scan(ledger, 0, {old});
    scan(ledger, 1, {old, other});
    scan(ledger, 2, {old, other});
    const auto histories = ledger.histories(after(2));
    ASSERT_EQ(histories.open.size(), 2U);
    EXPECT_EQ(histories.open[0].cohort.role, others ? Role::kClient : Role::kUnknown);
  }
}

TEST(Ledger, the_first_of_each_closer_is_remembered_however_rare_it_is) {
  Ledger ledger(kAttached);
  for (uint64_t i = 1; i <= 500; ++i) {
    auto facts = dialled(i, 0.01 * static_cast<double>(i));
    used(facts, 0.01 * static_cast<double>(i));
    ledger.accept(Closed{after(6), facts, {i == 250 ? 21U : 20U, after(6), {}}});
  }
  const auto cohort = only_cohort(ledger.histories(after(7)));
  ASSERT_EQ(cohort.firsts.size(), 2U);
  EXPECT_EQ(cohort.firsts[0].closed_by, 20U);
  EXPECT_EQ(cohort.firsts[1].closed_by, 21U);
}

}  // namespace
}  // namespace unclosed
