#include "collect/pprof/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collect/pprof/trace_reader.h"

namespace unclosed {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TraceHeader header(std::string_view line) { return trace_header(line).value_or(TraceHeader{}); }

TEST(TraceLines, a_header_tells_number_state_and_minutes) {
  const auto one = header("goroutine 18 [IO wait, 5 minutes, locked to thread]:");
  EXPECT_EQ(one.id, 18U);
  EXPECT_EQ(one.state, "IO wait");
  EXPECT_EQ(one.wait_minutes, 5U);
  EXPECT_TRUE(one.locked);
  EXPECT_FALSE(one.leaked);
}

TEST(TraceLines, marks_are_no_part_of_a_state_and_kinds_of_it_are) {
  EXPECT_EQ(header("goroutine 1 [runnable (scan)]:").state, "runnable");
  EXPECT_EQ(header("goroutine 1 [chan receive (leaked) (scan), 2 minutes]:").state, "chan receive");
  EXPECT_TRUE(header("goroutine 1 [chan receive (leaked) (scan), 2 minutes]:").leaked);
  EXPECT_EQ(header("goroutine 1 [select (durable), synctest bubble 7]:").state, "select");
  EXPECT_EQ(header("goroutine 1 [chan receive (nil chan)]:").state, "chan receive (nil chan)");
  EXPECT_EQ(header("goroutine 1 [select (no cases), 9 minutes]:").state, "select (no cases)");
}

TEST(TraceLines, a_header_of_a_crash_has_addresses_before_its_state) {
  EXPECT_EQ(header("goroutine 7 gp=0xc000002380 m=0 mp=0xa2a880 [running]:").state, "running");
  EXPECT_EQ(header("goroutine 7 gp=0xc000002380 m=nil [sleep]:").id, 7U);
}

TEST(TraceLines, labels_are_left_out_whatever_they_hold) {
  const auto one = header(R"(goroutine 3 [select, 4 minutes labels:{"path": "]: , 9 minutes"}]:)");
  EXPECT_EQ(one.state, "select");
  EXPECT_EQ(one.wait_minutes, 4U);
}

TEST(TraceLines, what_only_begins_like_a_header_is_none) {
  EXPECT_FALSE(trace_header("goroutine 18 [IO wa"));
  EXPECT_FALSE(trace_header("goroutine profile: total 7"));
  EXPECT_FALSE(trace_header("goroutine 99999999999999999999999 [running]:"));
  EXPECT_FALSE(trace_header("goroutine leak found in [queue]:"));
}

TEST(TraceLines, functions_lose_their_arguments_and_keep_their_receivers) {
  EXPECT_EQ(trace_function("net/http.(*conn).serve(0xc0000b4000, {0x7a0, 0xc00})"),
            "net/http.(*conn).serve");
  EXPECT_EQ(trace_function("main.wait[...](0x0?, 0x0?)"), "main.wait[...]");
  EXPECT_EQ(trace_function("main.main.func1(...)"), "main.main.func1");
  EXPECT_EQ(trace_function("main.main()"), "main.main");
}

TEST(TraceLines, places_lose_offset_and_registers_and_keep_spaces_of_a_path) {
  EXPECT_EQ(trace_place("\t/src/my app/main.go:12 +0x5ec fp=0xc01 sp=0xc02 pc=0x45"),
            "/src/my app/main.go:12");
  EXPECT_EQ(trace_place("\t/src/main.go:12"), "/src/main.go:12");
  const auto windows = split_place("C:/src/main.go:12");
  EXPECT_EQ(windows.file, "C:/src/main.go");
  EXPECT_EQ(windows.line, 12U);
  EXPECT_EQ(split_place("/src/main.go:99999999999").line, 0U);
}

constexpr std::string_view kOne =
    "goroutine 34 [IO wait, 3 minutes]:\n"
    "internal/poll.runtime_pollWait(0x7f, 0x72)\n"
    "\t/usr/local/go/src/runtime/netpoll.go:351 +0x85\n"
    "net.(*conn).Read(...)\n"
    "\t/usr/local/go/src/net/net.go:196\n"
    "main.read({0x78d4c8, 0x28d8bf2b0280})\n"
    "\t/srv/app/main.go:35 +0x4e\n"
    "created by main.main in goroutine 1\n"
    "\t/srv/app/main.go:71 +0x465\n";

TEST(Trace, a_goroutine_has_its_stack_creator_and_parent) {
  const auto trace = parse_trace(kOne);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->id, 34U);
  EXPECT_EQ(trace->wait_seconds, 180);
  ASSERT_THAT(trace->stack, SizeIs(3));
  EXPECT_EQ(trace->stack[2].function, "main.read");
  EXPECT_EQ(trace->stack[2].file, "/srv/app/main.go");
  EXPECT_EQ(trace->stack[2].line, 35U);
  ASSERT_TRUE(trace->created_by);
  EXPECT_EQ(trace->created_by->function, "main.main");
  EXPECT_EQ(trace->created_by->line, 71U);
  EXPECT_EQ(trace->parent, 1U);
  EXPECT_EQ(trace->truncated, Truncation::kNone);
}

uint64_t key(std::string text) {
  const auto facts = scan_trace(text);
  return facts ? facts->key : 0;
}

std::string with(std::string_view from, std::string_view to) {
  std::string text(kOne);
  return text.replace(text.find(from), from.size(), to);
}

TEST(Trace, arguments_offsets_numbers_and_minutes_do_not_part_a_group) {
  EXPECT_EQ(key(with("0x78d4c8", "0x11")), key(std::string(kOne)));
  EXPECT_EQ(key(with("+0x4e", "+0x4f fp=0x1 sp=0x2 pc=0x3")), key(std::string(kOne)));
  EXPECT_EQ(key(with("goroutine 34", "goroutine 35")), key(std::string(kOne)));
  EXPECT_EQ(key(with("3 minutes", "44 minutes")), key(std::string(kOne)));
  EXPECT_EQ(key(with(" in goroutine 1", "")), key(std::string(kOne)));
}

TEST(Trace, functions_lines_states_and_creators_do) {
  EXPECT_NE(key(with("main.read", "main.rea")), key(std::string(kOne)));
  EXPECT_NE(key(with("main.go:35", "main.go:36")), key(std::string(kOne)));
  EXPECT_NE(key(with("IO wait", "select")), key(std::string(kOne)));
  EXPECT_NE(key(with("main.go:71", "main.go:72")), key(std::string(kOne)));
}

TEST(Trace, lines_of_windows_are_the_same_lines) {
  std::string text;
  for (const char c : kOne) text += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(key(text), key(std::string(kOne)));
  EXPECT_EQ(parse_trace(text)->stack.back().line, 35U);
}

TEST(Trace, wherever_a_text_is_cut_the_frames_before_the_cut_are_read) {
  for (size_t size = kOne.find('\n') + 1; size < kOne.size(); ++size) {
    const auto trace = parse_trace(kOne.substr(0, size));
    ASSERT_TRUE(trace) << size;
    const auto facts = scan_trace(kOne.substr(0, size));
    ASSERT_TRUE(facts) << size;
    EXPECT_LE(facts->size, size);
    if (size > kOne.find("main.read")) {
      EXPECT_GE(trace->stack.size(), 2U) << size;
    }
  }
  const auto cut = scan_trace(kOne.substr(0, kOne.find("\t/srv/app/main.go:35")));
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->broken_at, kOne.find("main.read"));
}

TEST(Trace, ancestors_are_kept_apart) {
  const std::string text =
      "goroutine 5 [chan send]:\n"
      "main.produce(0x0)\n\t/srv/app/main.go:24 +0x27\n"
      "created by main.start\n\t/srv/app/main.go:61 +0x1ff\n"
      "[originating from goroutine 9]:\n"
      "main.start(...)\n\t/srv/app/main.go:60 +0x1ff\n"
      "...additional frames elided...\n"
      "created by main.main\n\t/srv/app/main.go:7 +0x1\n";
  const auto trace = parse_trace(text);
  ASSERT_TRUE(trace);
  EXPECT_THAT(trace->stack, SizeIs(1));
  EXPECT_EQ(trace->created_by->function, "main.start");
  EXPECT_EQ(trace->parent, 9U);
  ASSERT_THAT(trace->ancestors, SizeIs(1));
  EXPECT_THAT(trace->ancestors[0], SizeIs(2));
  EXPECT_EQ(trace->truncated, Truncation::kNone) << "of an ancestor, not of the goroutine";
}

TEST(Trace, a_goroutine_that_runs_elsewhere_has_no_stack_and_is_whole) {
  const std::string text =
      "goroutine 5 [running]:\n\tgoroutine running on other thread; stack unavailable\n"
      "created by main.main in goroutine 1\n\t/srv/app/main.go:61 +0x1ff\n\n";
  const auto facts = scan_trace(text);
  ASSERT_TRUE(facts);
  EXPECT_FALSE(facts->broken_at);
  EXPECT_EQ(facts->size, text.size());
  EXPECT_THAT(parse_trace(text)->stack, IsEmpty());
  EXPECT_EQ(parse_trace(text)->created_by->line, 61U);
}

TEST(Trace, a_place_without_all_of_its_pointers_was_cut) {
  const std::string_view text =
      "goroutine 5 gp=0xc000 m=nil [select (no cases)]:\n"
      "main.wait()\n\t/srv/app/main.go:12 +0x1d fp=0xc0000 sp=0xc0000 pc=0x48\n";
  for (const std::string_view from : {"p=0xc0000 sp", " sp=", "pc="}) {
    const auto cut = scan_trace(text.substr(0, text.find(from) + 5));
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->broken_at.has_value(), from != "pc=") << from;
  }
  EXPECT_FALSE(scan_trace(text)->broken_at);
}

TEST(Trace, frames_of_c_have_no_parentheses) {
  const std::string text =
      "goroutine 5 [syscall]:\n"
      "do_read\n\t/srv/app/read.c:12 pc=0x45\n"
      "non-Go function\n\tpc=0x46\n"
      "runtime.cgocall(0x1)\n\t/usr/local/go/src/runtime/cgocall.go:167 +0x4b\n";
  const auto trace = parse_trace(text);
  ASSERT_TRUE(trace);
  ASSERT_THAT(trace->stack, SizeIs(3));
  EXPECT_EQ(trace->stack[0].function, "do_read");
  EXPECT_EQ(trace->stack[0].line, 12U);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

TEST(TraceReader, lines_of_others_in_between_are_left_to_the_caller) {
  TraceReader reader;
  std::vector<std::string> others;
  size_t begun = 0;
  const std::string log = "panic: no rows\n" + std::string(kOne) + "\n" + std::string(kOne);
  for (const auto line : lines_of(log)) {
    if (line.starts_with("net.")) {
      EXPECT_EQ(reader.line("2026-11-21 request served (12 ms)"), TraceReader::Took::kNothing);
    }
    const auto took = reader.line(line);
    if (took == TraceReader::Took::kNothing) others.emplace_back(line);
    if (took == TraceReader::Took::kBegin) ++begun;
  }
  reader.finish();
  EXPECT_THAT(others, ElementsAre("panic: no rows"));
  EXPECT_EQ(begun, 2U);
  EXPECT_EQ(reader.read(), 2U);
  EXPECT_EQ(parse_trace(reader.last())->stack.size(), 3U);
  const auto groups = reader.groups();
  ASSERT_THAT(groups.groups, SizeIs(1));
  EXPECT_EQ(groups.groups[0].count, 2U);
  EXPECT_THAT(groups.groups[0].stack, SizeIs(3));
  EXPECT_EQ(groups.groups[0].parent, 1U);
}

TEST(TraceReader, a_log_that_lost_its_tabs_is_still_read) {
  TraceReader reader;
  for (auto line : lines_of(kOne)) {
    if (line.starts_with("\t")) line.remove_prefix(1);
    EXPECT_NE(reader.line(line), TraceReader::Took::kNothing) << line;
  }
  reader.finish();
  ASSERT_THAT(reader.groups().groups, SizeIs(1));
  EXPECT_EQ(reader.groups().groups[0].stack[2].line, 35U);
}

}  // namespace
}  // namespace unclosed
