#include "report/report_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "report/golden.h"
#include "report/printable.h"
#include "report/report_json.h"
#include "report/sample_report.h"

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<SourceLine> source(const std::string& file, uint32_t first, uint32_t last) {
  if (file != "/src/app/main.go") return {};
  const std::vector<std::string> text = {"func leakyQuery(db *sql.DB) error {",
                                         "\trows, err := db.Query(\"select \x1b[31m pg_sleep\")",
                                         "\tif err != nil || !rows.Next() {", "\t\treturn err\r",
                                         "\t}"};
  std::vector<SourceLine> lines;
  for (uint32_t n = first; n <= last && n <= text.size(); ++n) lines.push_back({n, text[n - 1]});
  return lines;
}

std::string text_of(const Report& report, TextOptions options) {
  options.next_command = "unclosed attach 4242 --for 60s --json";
  return report_text(report, options, source);
}

TEST(ReportText, two_findings_look_as_kept_at_the_usual_width) {
  expect_golden("findings.txt", text_of(sample::two_findings(), {}));
}

TEST(ReportText, two_findings_look_as_kept_narrow_and_wide) {
  expect_golden("findings-60.txt", text_of(sample::two_findings(), {.width = 60}));
  expect_golden("findings-120.txt",
                text_of(sample::two_findings(), {.width = 120, .all_groups = true}));
}

TEST(ReportText, colours_look_as_kept_and_take_no_columns) {
  const auto coloured = text_of(sample::two_findings(), {.colour = true});
  expect_golden("findings-colour.txt", coloured);
  std::string plain;
  for (size_t i = 0; i < coloured.size(); ++i) {
    if (coloured[i] == '\x1b') {
      i = coloured.find('m', i);
    } else {
      plain += coloured[i];
    }
  }
  EXPECT_EQ(plain, text_of(sample::two_findings(), {}));
}

TEST(ReportText, children_that_have_ended_are_counted_behind_the_processes) {
  auto report = sample::nothing_found();
  report.ended_children = 1;
  EXPECT_THAT(text_of(report, {.width = 200}), HasSubstr("app[4242] and 1 child that has ended"));
  report.ended_children = 172;
  EXPECT_THAT(text_of(report, {.width = 200}), HasSubstr("and 172 children that have ended"));
}

TEST(ReportText, finding_nothing_is_said_with_its_limits) {
  const auto text = text_of(sample::nothing_found(), {});
  expect_golden("nothing.txt", text);
  EXPECT_THAT(text, HasSubstr("no leak was seen in 1 min"));
  EXPECT_THAT(text, Not(HasSubstr("UNKNOWN")));
}

TEST(ReportText, finding_nothing_with_losses_is_not_called_ok) {
  auto report = sample::nothing_found();
  report.coverage.events_lost = 7;
  const auto text = text_of(report, {});
  EXPECT_THAT(text, HasSubstr("UNKNOWN no leak was seen"));
  EXPECT_THAT(text, HasSubstr("7 events lost"));
}

LeftOpen left_open(Kind kind, uint64_t count, std::vector<Site> frames) {
  return {kind, Role::kUnknown, OpenedBy::kOwnCode, std::move(frames), count};
}

TEST(ReportText, what_was_open_at_the_end_is_told_line_by_line_and_is_no_finding) {
  auto report = sample::nothing_found();
  EXPECT_THAT(text_of(report, {}), Not(HasSubstr("at the end")));
  report.coverage.open_at_end = 13;
  report.left_open = {
      left_open(Kind::kFile, 5, {{"helper", "/src/x.c", 4}, {"bad", "/src/x.c", 9}}),
      left_open(Kind::kFile, 1, {{"main", "/src/x.c", 20}}),
      {Kind::kTcp, Role::kListener, OpenedBy::kOwnCode, {{"main", "/src/x.c", 21}}, 1},
      {Kind::kTcp, Role::kClient, OpenedBy::kOwnCode, {{"main", "/src/x.c", 22}}, 1},
      {Kind::kTcp, Role::kUnknown, OpenedBy::kOwnCode, {{"main", "/src/x.c", 23}}, 1},
      {Kind::kFile, Role::kUnknown, OpenedBy::kNoOwnCode, {}, 1},
      {Kind::kEpoll, Role::kUnknown, OpenedBy::kRuntime, {}, 1},
      {Kind::kPipe, Role::kUnknown, OpenedBy::kUnseen, {}, 2}};
  const auto text = text_of(report, {});
  EXPECT_THAT(text, HasSubstr("13 descriptors opened meanwhile were still open"));
  EXPECT_THAT(text, HasSubstr("5 files opened at helper  /src/x.c:4 ← bad x.c:9\n"));
  EXPECT_THAT(text, HasSubstr("1 file opened at main  /src/x.c:20\n"));
  EXPECT_THAT(text, HasSubstr("1 listening socket opened at main  /src/x.c:21\n"));
  EXPECT_THAT(text, HasSubstr("1 tcp connection opened at main  /src/x.c:22\n"));
  EXPECT_THAT(text, HasSubstr("1 tcp socket opened at main  /src/x.c:23\n"));
  EXPECT_THAT(text, HasSubstr("1 file, opened where no own code was seen\n"));
  EXPECT_THAT(text, HasSubstr("1 epoll descriptor, of the language's runtime\n"));
  EXPECT_THAT(text, HasSubstr("2 pipe ends, without the stack of the opening\n"));
  EXPECT_THAT(text, HasSubstr("no leak was seen"));
}

TEST(ReportText, lines_of_the_end_that_are_not_shown_are_counted) {
  auto report = sample::nothing_found();
  report.coverage.open_at_end = 44;
  for (uint32_t line = 1; line <= 21; ++line) {
    report.left_open.push_back(left_open(Kind::kFile, 2, {{"main", "/src/x.c", line}}));
  }
  report.left_open.push_back({Kind::kFile, Role::kUnknown, OpenedBy::kNoOwnCode, {}, 2});
  const auto text = text_of(report, {});
  EXPECT_THAT(text, HasSubstr("2 files opened at main  /src/x.c:20\n"));
  EXPECT_THAT(text, Not(HasSubstr("/src/x.c:21")));
  EXPECT_THAT(text, HasSubstr("2 more at 1 other line: --json lists them all\n"));
  EXPECT_THAT(text, HasSubstr("2 files, opened where no own code was seen\n"));
}

TEST(ReportText, of_a_stripped_program_stacks_are_told_by_the_place_in_it) {
  auto report = sample::two_findings();
  for (const StackId id : {11, 12}) {
    report.stacks[id] = {{{"write", "", 0, "libc.so.6", false, false},
                          {"[unknown]+0x11f3", "", 0, "app [build id ab12]", false, false}},
                         Truncation::kNone,
                         {}};
  }
  EXPECT_THAT(text_of(report, {}),
              HasSubstr("2 frames, of the program itself app+0x11f3, which has no name"));
}

TEST(ReportText, one_group_that_is_not_shown_is_one_group) {
  auto report = sample::nothing_found();
  report.judgement.groups.assign(13, sample::healthy());
  EXPECT_THAT(text_of(report, {}), HasSubstr("and 1 more group\n"));
}

TEST(ReportText, sockets_that_listen_are_no_connections) {
  auto report = sample::nothing_found();
  report.judgement.groups = {sample::healthy()};
  report.judgement.groups[0].role = Role::kListener;
  report.judgement.groups[0].count = report.judgement.groups[0].descriptors = 1;
  const auto text = text_of(report, {});
  EXPECT_THAT(text, HasSubstr("1,807 open descriptors: 1 listening socket\n"));
  EXPECT_THAT(text, HasSubstr("     1 listening socket → 0.0.0.0:8080"));
}

TEST(ReportText, local_ports_are_told_with_whom_they_lead_to) {
  auto report = sample::nothing_found();
  report.judgement.limits = {
      {{"local-ports", {4242, 100}, 24'000, 28'232, "10.0.0.3:5432", "10.0.0.2", 21'000}, 0, {}}};
  EXPECT_THAT(text_of(report, {.width = 200}),
              HasSubstr("local ports from 10.0.0.2 to 10.0.0.3:5432: 24,000 in use of 28,232 (85 "
                        "%), 21,000 of them in TIME_WAIT, exhausted now"));
}

TEST(ReportText, pools_that_are_alike_are_told_with_their_number) {
  auto report = sample::nothing_found();
  LimitUse use{"pool", {4242, 100}, 3, 2'000, "10.0.0.3:5432"};
  use.pools = 1'000;
  use.idle = 997;
  report.judgement.limits = {{use, {}, {}}};
  EXPECT_THAT(text_of(report, {.width = 200}),
              HasSubstr("1,000 pools of database/sql of 4242 to 10.0.0.3:5432: 3 in use of 2,000 "
                        "(under 1 %), 997 idle"));
}

TEST(ReportText, no_line_is_wider_than_the_page) {
  for (const size_t width : {60, 80, 100, 120}) {
    std::istringstream lines(text_of(sample::two_findings(), {.width = width, .all_groups = true}));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(columns(line), width) << line;
  }
}

TEST(ReportText, no_byte_of_a_target_reaches_the_terminal_as_a_control) {
  const auto text = text_of(sample::two_findings(), {.all_groups = true});
  for (const char c : text) {
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
    EXPECT_NE(c, '\x7f');
  }
}

TEST(ReportText, limits_that_are_far_away_are_not_all_listed) {
  auto report = sample::two_findings();
  for (int pid = 1; pid <= 50; ++pid) {
    report.judgement.limits.push_back({{"nofile", {pid, 1}, 8, 1024}, {}, Diagnosis::kUnknown});
  }
  report.judgement.limits.push_back({{"nofile", {77, 1}, 1000, 1024}, {}, Diagnosis::kUnknown});
  const auto text = text_of(report, {});
  EXPECT_THAT(text, HasSubstr("nofile of 4242: 812 in use of 1,024 (79 %), exhausted in"));
  EXPECT_THAT(text, HasSubstr("nofile of 77: 1,000 in use"));
  EXPECT_THAT(text, HasSubstr("and 50 more, none above 1 %"));
}

TEST(ReportText, an_empty_report_is_still_a_report) {
  EXPECT_THAT(report_text(Report{}, {}, nullptr), HasSubstr("no leak was seen"));
}

TEST(Printable, control_characters_and_marks_that_reorder_are_escaped) {
  EXPECT_EQ(printable("a\x1b[31mb\n\t\r\x7f"), "a\\x1b[31mb\\n\\t\\r\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\x9b");  // the one-byte CSI of C1
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\u202e");
  EXPECT_EQ(printable("grün ▶ 日本"), "grün ▶ 日本");
}

TEST(Printable, what_is_not_utf8_becomes_the_replacement_character) {
  EXPECT_EQ(printable("a\xff"
                      "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(printable("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");       // overlong
  EXPECT_EQ(printable("\xed\xa0\x80").substr(0, 3), "\xef\xbf\xbd");  // a surrogate
  EXPECT_EQ(printable("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");       // cut short
}

TEST(Printable, columns_count_what_a_terminal_shows) {
  EXPECT_EQ(columns("grün"), 4U);
  EXPECT_EQ(columns("日本"), 4U);
  EXPECT_EQ(columns("e\xcc\x81"), 1U);
}

TEST(Printable, text_is_cut_at_either_end) {
  EXPECT_EQ(fit("abcdef", 6), "abcdef");
  EXPECT_EQ(fit("abcdef", 4), "abc…");
  EXPECT_EQ(fit("/a/b/main.go", 8, CutAt::kStart), "…main.go");
  EXPECT_EQ(fit("abc", 0), "");
}

TEST(Printable, lines_break_at_spaces_and_in_words_that_are_too_long) {
  EXPECT_EQ(wrap("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("abcdefgh ij", 3), (std::vector<std::string>{"abc", "def", "gh", "ij"}));
  EXPECT_EQ(wrap("  12 x", 10), (std::vector<std::string>{"  12 x"}));
  EXPECT_EQ(wrap("", 5), (std::vector<std::string>{""}));
}

TEST(Printable, numbers_and_durations_read_well) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(duration_words(0.25), "0.2 s");
  EXPECT_EQ(duration_words(59.7), "1 min");
  EXPECT_EQ(duration_words(250), "4 min 10 s");
  EXPECT_EQ(duration_words(8040), "2 h 14 min");
  EXPECT_EQ(duration_words(3 * 86400 + 4 * 3600), "3 d 4 h");
  EXPECT_EQ(duration_words(1.0 / 0.0), "an unknown time");
}

TEST(ReportJson, two_findings_look_as_kept) {
  expect_golden("findings.json", report_json(sample::two_findings(), {.most_connections = 2}));
}

}  // namespace
}  // namespace unclosed
