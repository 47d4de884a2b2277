#include "collect/log/log_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>

namespace unclosed {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string kept(const std::string& name) {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/src/collect/log/testdata/" + name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

Account read_in(const std::string& text, size_t piece = 1 << 20) {
  LogReader reader("app.log");
  for (size_t at = 0; at < text.size(); at += piece)
    reader.feed(std::string_view(text).substr(at, piece));
  return reader.finish();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string prefixed(const std::string& text, const std::string& prefix) {
  std::string out;
  for (const auto& line : lines_of(text)) out += prefix + line + "\n";
  return out;
}

std::string in_json(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out.append({'\\', c});
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out;
}

// As rsyslog keeps a message of several lines.
std::string in_octal(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\t') {
      out += c == '\n' ? "#012" : "#011";
    } else {
      out += c;
    }
  }
  return out;
}

// What must be found in a dump, however it was carried.
void expect_same_dump(const Account& one, const Account& plain, const std::string& how) {
  SCOPED_TRACE(how);
  ASSERT_TRUE(one.dump);
  EXPECT_EQ(one.dump->goroutines, plain.dump->goroutines);
  ASSERT_EQ(one.dump->groups.size(), plain.dump->groups.size());
  for (size_t i = 0; i < one.dump->groups.size(); ++i) {
    EXPECT_EQ(one.dump->groups[i].stack, plain.dump->groups[i].stack);
    EXPECT_EQ(one.dump->groups[i].count, plain.dump->groups[i].count);
  }
  ASSERT_TRUE(one.died);
  EXPECT_EQ(one.died->how, plain.died->how);
  EXPECT_EQ(one.open_in_go.size(), plain.open_in_go.size());
  ASSERT_THAT(one.errors, SizeIs(plain.errors.size()));
  EXPECT_EQ(one.errors.front().count, plain.errors.front().count);
  ASSERT_THAT(one.pools, SizeIs(1));
  EXPECT_EQ(one.pools.front().in_use, 5);
}

TEST(LogReader, a_dump_in_a_log_is_grouped_and_the_errors_before_it_are_counted) {
  const auto account = read_in(kept("go1.26.8-hold.log"));
  ASSERT_TRUE(account.dump);
  EXPECT_GT(account.dump->goroutines, 15U);
  ASSERT_TRUE(account.died);
  EXPECT_EQ(account.died->how, "SIGQUIT");
  EXPECT_TRUE(account.died->asked);
  ASSERT_THAT(account.errors, SizeIs(1));
  EXPECT_EQ(account.errors[0].kind, Trouble::kDeadline);
  EXPECT_EQ(account.errors[0].count, 3U);
  EXPECT_EQ(account.errors[0].first_line, 2U);
  EXPECT_THAT(account.errors[0].text, HasSubstr("count failed: context deadline exceeded"));
  ASSERT_THAT(account.pools, SizeIs(1));
  EXPECT_EQ(account.pools[0].max, 5);
  EXPECT_EQ(account.pools[0].in_use, 5);
  EXPECT_EQ(account.pools[0].wait_count, 6);
  EXPECT_NEAR(account.pools[0].wait_seconds.value_or(0), 3.0, 0.1);
}

TEST(LogReader, who_opened_what_is_still_open_is_told_by_the_goroutines_that_wait_for_its_end) {
  const auto held = read_in(kept("go1.26.8-hold.log"));
  ASSERT_THAT(held.open_in_go, SizeIs(1));
  EXPECT_EQ(held.open_in_go[0].what, "transaction");
  EXPECT_EQ(held.open_in_go[0].count, 5U);
  EXPECT_FALSE(held.open_in_go[0].ended);
  EXPECT_EQ(held.open_in_go[0].state, "chan receive");
  const auto holds = [](const NamedFrame& frame) {
    return frame.function == "acme.test/shop/store.(*Store).Hold" && frame.line == 26;
  };
  EXPECT_TRUE(std::any_of(held.open_in_go[0].stack.begin(), held.open_in_go[0].stack.end(), holds));
  // Ancestors tell the line also when the opener went on to something else.
  const auto traced = read_in(kept("go1.26.8-forget-ancestors.log"));
  ASSERT_FALSE(traced.open_in_go.empty());
  // The runtime names inlined calls of ancestors by the function that they were inlined into.
  const auto forgets = [](const NamedFrame& frame) {
    return frame.function == "main.main.func3" && frame.line == 116;
  };
  EXPECT_TRUE(std::any_of(traced.open_in_go[0].opening.begin(), traced.open_in_go[0].opening.end(),
                          forgets));
  // Before Go 1.21 nobody tells who opened them.
  const auto old = read_in(kept("go1.20.14-hold.log"));
  ASSERT_THAT(old.open_in_go, SizeIs(1));
  EXPECT_EQ(old.open_in_go[0].count, 5U);
  EXPECT_THAT(old.open_in_go[0].stack, IsEmpty());
  EXPECT_FALSE(old.open_in_go[0].ended);
}

TEST(LogReader, carriers_of_logs_change_nothing) {
  const std::string text = kept("go1.26.8-hold.log");
  const auto plain = read_in(text);
  const std::vector<std::string> prefixes = {
      "api-1  | ",
      "Nov 21 03:02:01 web7 shop[123]: ",
      "2026-11-21T03:02:01+0000 web7 shop[123]: ",
      "2026-11-21T03:02:01.123456789Z stderr F ",
      "[pod/api-7d9f6c5b4-x2x9q/api] ",
      "[pod/api-7d9f6c5b4-x2x9q/api] 2026-11-21T03:02:01.123456789Z ",
      "2026-11-21T03:02:01.123456Z ",
      "\x1b[36mapi-1  | \x1b[0m",
      "shop.1.x7k2q@web7    | ",
      "api-7d9f6c5b4-x2x9q app ",
      "[api-7d9f6c5b4-x2x9q] ",
      "[2026-11-21T03:02:01.123Z] ",
      "03:02:01 web.1  | ",
      "2026-11-21T03:02:01.123000+00:00 ecs/app/5f1c0b2a9d3e4f60a1b2c3d4e5f60718 ",
      "2026-11-21T03:02:01Z app[148ed21a9f0e89] fra [info]",
      "<11>Nov 21 03:02:01 web7 shop[123]: ",
      "<11>1 2026-11-21T03:02:01.123Z web7 shop 123 - - ",
      "<11>1 2026-11-21T03:02:01.123Z web7 shop 123 ID47 [origin ip=\"10.0.0.7\"] ",
      "Fri 2026-11-21 03:02:01 UTC web7 shop[123]: ",
      "1763694121.123456 web7 shop[123]: ",
      "[  123.456789] web7 shop[123]: ",
      "2026-11-21T03:02:01.123456Z 01E ",
      "2026-11-21T03:02:01Z {app=\"shop\", env=\"live\"} ",
      "2026-11-21T03:02:01.123Z\t",
      "2026/11/21 03:02:01 ",
      "2026-11-21 03:02:01,123 ",
      "    ",
  };
  for (const auto& prefix : prefixes)
    expect_same_dump(read_in(prefixed(text, prefix)), plain, prefix);
  std::string crlf, docker, journal, test2json, octal;
  for (const auto& line : lines_of(text)) {
    crlf += line + "\r\n";
    docker += R"({"log":")" + in_json(line + "\n") +
              R"(","stream":"stderr","time":"2026-11-21T03:02:01Z"})" + "\n";
    journal +=
        R"({"_SYSTEMD_UNIT":"shop.service","_PID":"123","MESSAGE":")" + in_json(line) + "\"}\n";
    test2json +=
        R"({"Action":"output","Package":"shop","Output":")" + in_json(line + "\n") + "\"}\n";
    octal += "Nov 21 03:02:01 web7 shop[123]: " +
             (line.starts_with('\t') ? "#011" + line.substr(1) : line) + "\n";
  }
  expect_same_dump(read_in(crlf), plain, "CRLF");
  expect_same_dump(read_in(docker), plain, "docker's json-file");
  expect_same_dump(read_in(journal), plain, "journalctl -o json");
  expect_same_dump(read_in(test2json), plain, "go test -json");
  expect_same_dump(read_in(octal), plain, "rsyslog's octal tabs");
  expect_same_dump(read_in(text, 1), plain, "a byte at a time");
}

TEST(LogReader, a_whole_panic_in_one_json_string_or_logfmt_value_is_read) {
  const std::string text = kept("go1.26.8-panic-nil.log");
  for (const std::string& line :
       {R"({"level":"fatal","msg":")" + in_json(text) + "\"}",
        R"({"level":"fatal","msg":"died","stacktrace":")" + in_json(text) + "\"}",
        R"({"level":"fatal","msg":"died","output":")" + in_json(text) + "\"}",
        "level=fatal msg=\"" + in_json(text) + "\"\n",
        "level=fatal msg=died caller=\"a.go:1\" output=\"" + in_json(text) + "\"\n",
        "Nov 21 03:02:01 web7 shop[123]: " + in_octal(text) + "\n"}) {
    const auto account = read_in(line);
    ASSERT_TRUE(account.dump) << line;
    EXPECT_EQ(account.dump->goroutines, 1U);
    ASSERT_TRUE(account.died) << line;
    EXPECT_EQ(account.died->how, "panic");
    EXPECT_THAT(account.died->stack.front().file, Not(HasSubstr("#"))) << line;
  }
}

TEST(LogReader, an_empty_message_in_json_is_an_empty_line) {
  std::string log;
  for (const char* line : {"fatal error: thread exhaustion", "", "runtime stack:",
                           "runtime.throw({0x51, 0x11})", "\t/usr/local/go/src/runtime/panic.go:1",
                           "", "goroutine 7 [running]:", "main.work()", "\t/srv/work.go:12 +0x1"})
    log += R"({"_PID":"1","MESSAGE":")" + in_json(line) + "\"}\n";
  const auto account = read_in(log);
  ASSERT_TRUE(account.died);
  EXPECT_EQ(account.died->message, "thread exhaustion");
  EXPECT_EQ(account.died->goroutine, 7U);
}

TEST(LogReader, what_a_service_says_of_a_panic_behind_a_time_of_its_own_is_no_death) {
  const std::string said = "2026/11/21 03:02:01 panic: the database is down\n";
  EXPECT_FALSE(read_in(said + "2026/11/21 03:02:02 trying again\n").died);
  const auto account =
      read_in(said +
              "2026/11/21 03:02:01 \n2026/11/21 03:02:01 goroutine 7 [running]:\n"
              "2026/11/21 03:02:01 main.work()\n2026/11/21 03:02:01 \t/srv/work.go:12 +0x1\n");
  ASSERT_TRUE(account.died);
  EXPECT_EQ(account.died->message, "the database is down");
}

TEST(LogReader, a_dump_between_the_lines_of_another_writer_is_put_together) {
  const std::string dump = prefixed(kept("go1.26.8-hold.log"), "api-1  | ");
  const std::string other = prefixed(kept("hikari-leak.log"), "web-1  | ");
  const auto ours = lines_of(dump), theirs = lines_of(other);
  std::string mixed;
  for (size_t i = 0; i < std::max(ours.size(), theirs.size()); ++i) {
    if (i < ours.size()) mixed += ours[i] + "\n";
    if (i < theirs.size()) mixed += theirs[i] + "\n";
  }
  const auto account = read_in(mixed), plain = read_in(dump);
  ASSERT_TRUE(account.dump);
  EXPECT_EQ(account.dump->goroutines, plain.dump->goroutines);
  EXPECT_EQ(account.dump->groups.size(), plain.dump->groups.size());
  ASSERT_THAT(account.holds, SizeIs(1));
  EXPECT_EQ(account.holds[0].count, 3U);
}

TEST(LogReader, whose_dump_is_told_and_whose_is_not_is_said) {
  const std::string ours = prefixed(kept("go1.26.8-panic-nil.log"), "api-1  | ");
  const std::string theirs = prefixed(kept("go1.26.8-healthy.log"), "stock-1  | ");
  const auto account = read_in(theirs + ours);
  ASSERT_TRUE(account.dump);
  EXPECT_EQ(account.dump->goroutines, 1U);
  EXPECT_THAT(account.notes,
              testing::ElementsAre(HasSubstr("one writer more, which are not told: stock-1")));
  EXPECT_EQ(account.dump->notes, account.notes);
  EXPECT_THAT(read_in(ours).notes, IsEmpty());
}

TEST(LogReader, foreign_lines_within_a_stack_are_passed_over) {
  std::string mixed;
  for (const auto& line : lines_of(kept("go1.26.8-hold.log")))
    mixed += line + "\n2026/11/21 03:02:01 GET /orders 200 (1.2ms)\n";
  const auto account = read_in(mixed), plain = read_in(kept("go1.26.8-hold.log"));
  ASSERT_TRUE(account.dump);
  EXPECT_EQ(account.dump->goroutines, plain.dump->goroutines);
  EXPECT_EQ(account.open_in_go.size(), 1U);
}

TEST(LogReader, deaths_of_go_are_told_with_message_goroutine_and_stack) {
  struct Told {
    std::string file, how, message;
    uint64_t goroutine;
    std::string function;  // somewhere on the stack
  };
  const std::vector<Told> all = {
      {"go1.26.8-panic-nil.log", "panic",
       "runtime error: invalid memory address or nil pointer dereference [signal SIGSEGV", 1,
       "acme.test/shop/store.(*Store).Count"},
      {"go1.26.8-panic-error.log", "panic", "open orders: postgres://app:***@db/orders: gone", 1,
       "main.mustPanic"},
      {"go1.26.8-panic-nested.log", "panic", "second (after panic: first with two lines)", 1,
       "main.mustPanic.func2"},
      {"go1.26.8-panic-repanic.log", "panic", "first", 1, "main.mustPanic"},
      {"go1.18.10-panic-repanic.log", "panic", "first", 1, "main.mustPanic"},
      {"go1.20.14-panic-index.log", "panic", "runtime error: index out of range [7] with length 3",
       0, "main.mustPanic.func4"},
      {"go1.18.10-panic-map.log", "fatal error", "concurrent map writes", 0, ""},
      {"go1.26.8-panic-stack.log", "fatal error", "stack overflow", 1, "main.overflow"},
      {"go1.22.12-panic-deadlock.log", "fatal error", "all goroutines are asleep - deadlock!", 1,
       "main.main"},
  };
  for (const auto& told : all) {
    SCOPED_TRACE(told.file);
    const auto account = read_in(kept(told.file));
    ASSERT_TRUE(account.died);
    EXPECT_EQ(account.deaths, 1U);
    EXPECT_EQ(account.died->how, told.how);
    EXPECT_THAT(account.died->message, HasSubstr(told.message));
    if (told.goroutine != 0) {
      EXPECT_EQ(account.died->goroutine, told.goroutine);
    }
    if (told.function.empty()) continue;
    const auto is = [&](const NamedFrame& frame) { return frame.function == told.function; };
    EXPECT_TRUE(std::any_of(account.died->stack.begin(), account.died->stack.end(), is));
  }
}

TEST(LogReader, a_dump_that_was_asked_for_later_does_not_hide_a_death) {
  const auto account = read_in(kept("go1.26.8-panic-nil.log") + kept("go1.26.8-hold.log"));
  ASSERT_TRUE(account.died);
  EXPECT_EQ(account.died->how, "panic");
  EXPECT_EQ(account.deaths, 1U);
  EXPECT_EQ(read_in(kept("go1.26.8-hold.log")).deaths, 0U);
}

TEST(LogReader, a_panic_that_the_server_caught_is_no_death_and_no_dump) {
  const std::string text = kept("go1.26.8-handler.log");
  const auto account = read_in(text.substr(0, text.find("SIGQUIT")));
  EXPECT_FALSE(account.died);
  EXPECT_FALSE(account.dump);
  ASSERT_THAT(account.errors, SizeIs(1));
  EXPECT_EQ(account.errors[0].kind, Trouble::kHandlerPanic);
  EXPECT_EQ(account.errors[0].count, 3U);
}

TEST(LogReader, a_panic_that_the_service_recovered_from_and_printed_is_no_death) {
  const std::string stack =
      "goroutine 7 [running]:\nruntime/debug.Stack()\n\t/go/src/runtime/debug/stack.go:26 +0x5e\n"
      "main.guard.func1()\n\t/srv/guard.go:20 +0x1\npanic({0x1, 0x2})\n\t/go/panic.go:860 +0x1\n"
      "main.work()\n\t/srv/work.go:12 +0x1\n";
  for (const std::string& print :
       {"panic: boom\n\n" + stack, "2026/11/21 03:02:01 panic: boom\n" + stack,
        R"({"level":"error","msg":"panic: boom","stack":")" + in_json(stack) + "\"}\n"}) {
    const auto account = read_in(print + "next request\n" + print + "and the next\n");
    EXPECT_FALSE(account.died) << print;
    EXPECT_FALSE(account.dump) << print;
    ASSERT_THAT(account.errors, SizeIs(1)) << print;
    EXPECT_EQ(account.errors[0].kind, Trouble::kHandlerPanic);
    EXPECT_EQ(account.errors[0].count, 2U);
    EXPECT_EQ(account.errors[0].first_line, 1U);
    EXPECT_EQ(account.errors[0].text, "panic: boom");
  }
  // What other words stand before is no panic that is known.
  EXPECT_FALSE(read_in("where am I\n" + stack + "there\n" + stack).dump);
  const std::string whole = kept("go1.26.8-healthy.log");
  EXPECT_EQ(read_in(whole + "recovered\n" + stack + "going on\n").dump->goroutines,
            read_in(whole).dump->goroutines);
  // As chi prints it.
  EXPECT_FALSE(read_in("\n panic: boom\n\n -> main.work\n ->   /srv/work.go:12\n").died);
}

TEST(LogReader, a_log_is_read_up_to_its_cut_wherever_that_is) {
  const std::string text = kept("go1.26.8-hold.log").substr(0, 40'000);
  for (size_t size = 0; size < text.size(); size += 997) {
    const auto account = read_in(text.substr(0, size));
    EXPECT_LE(account.lines, 2000U);
    EXPECT_EQ(account.dump.has_value(), size > 900) << size;
  }
}

TEST(LogReader, what_further_threads_tell_of_a_crash_is_not_counted_again) {
  const std::string log =
      "SIGABRT: abort\nPC=0x48 m=0 sigcode=0\n\n"
      "goroutine 7 gp=0xc1 m=0 mp=0x58 [running]:\nmain.work()\n\t/srv/work.go:12 +0x1\n\n"
      "goroutine 8 gp=0xc2 m=3 mp=0x59 [syscall]:\nmain.read()\n\t/srv/read.go:5 +0x1\n\n"
      "rax    0xca\nrip    0x48\n\n-----\n\nSIGQUIT: quit\nPC=0x49 m=2 sigcode=0\n\n"
      "goroutine 0 gp=0xc3 m=2 mp=0x57 [idle]:\nruntime.futex(0x1)\n\t/go/futex.s:5 +0x1\n\n"
      "rax    0xca\n\n-----\n\nSIGQUIT: quit\nPC=0x49 m=3 sigcode=0\n\n"
      "goroutine 8 gp=0xc2 m=3 mp=0x59 [syscall]:\nmain.read()\n\t/srv/read.go:5 +0x1\n\n"
      "goroutine 9 gp=0xc4 m=3 mp=0x59 [running]:\nmain.spin()\n\t/srv/spin.go:9 +0x1\n\n";
  const auto account = read_in(log);
  ASSERT_TRUE(account.dump);
  EXPECT_EQ(account.dump->goroutines, 3U);
  EXPECT_EQ(account.deaths, 1U);
  ASSERT_TRUE(account.died);
  EXPECT_EQ(account.died->how, "SIGABRT");
  EXPECT_EQ(account.died->message, "abort");
  // What is asked for later is a dump of its own.
  EXPECT_EQ(read_in(log + "starting\n" + kept("go1.26.8-healthy.log")).dump->goroutines,
            read_in(kept("go1.26.8-healthy.log")).dump->goroutines);
}

TEST(LogReader, the_lone_goroutine_of_a_panic_is_not_compared_with_a_whole_dump) {
  const std::string whole = kept("go1.26.8-healthy.log"), lone = kept("go1.26.8-panic-nil.log");
  const auto goroutines = read_in(whole).dump->goroutines;
  for (const std::string& log : {whole + lone, lone + whole}) {
    const auto account = read_in(log);
    ASSERT_TRUE(account.dump);
    EXPECT_EQ(account.dump->goroutines, goroutines);
    EXPECT_FALSE(account.dump->growth);
    ASSERT_TRUE(account.died);
    EXPECT_EQ(account.died->how, "panic");
  }
  EXPECT_FALSE(read_in(lone + lone).dump->growth);
}

TEST(LogReader, two_dumps_in_one_log_tell_growth) {
  const auto account = read_in(kept("go1.26.8-healthy.log") + kept("go1.26.8-hold.log"));
  ASSERT_TRUE(account.dump);
  EXPECT_GT(account.dump->growth.value_or(0), 0);
  EXPECT_EQ(account.dump->rung, "log");
}

TEST(LogReader, an_innocent_log_tells_nothing) {
  const auto account = read_in(
      "2026/11/21 03:02:01 listening on :8080\n"
      "2026/11/21 03:02:02 GET /orders 200\n"
      "{\"level\":\"info\",\"msg\":\"pool ready\",\"max\":50}\n"
      "connections: 12 of 50, systemfile opened, panic button shown\n"
      "HikariPool-1 - Start completed.\n");
  EXPECT_THAT(account.errors, IsEmpty());
  EXPECT_THAT(account.holds, IsEmpty());
  EXPECT_THAT(account.pools, IsEmpty());
  EXPECT_FALSE(account.died);
  EXPECT_FALSE(account.dump);
  EXPECT_EQ(account.lines, 5U);
}

TEST(LogReader, a_message_of_nothing_but_colours_is_an_empty_line) {
  EXPECT_EQ(
      read_in("{\"log\":\"\\u001b[0m\",\"stream\":\"stderr\"}\n{\"msg\":\"\\u001b]\"}\n").lines,
      2U);
}

TEST(LogReader, counters_of_json_lines_are_taken_in_their_order) {
  const auto account = read_in(
      R"({"msg":"stats","MaxOpenConnections":50,"OpenConnections":50,"InUse":12,"Idle":38,"WaitCount":0})"
      "\n"
      R"({"msg":"stats","db":{"MaxOpenConnections":50,"OpenConnections":50,"InUse":50,"Idle":0,"WaitCount":9}})"
      "\n"
      R"(2026/11/21 03:02:01 pool {"MaxOpenConnections":50,"OpenConnections":50,"InUse":49} (orders))"
      "\n");
  ASSERT_THAT(account.pools, SizeIs(3));
  EXPECT_EQ(account.pools[2].in_use, 49);
  EXPECT_EQ(account.pools[0].in_use, 12);
  EXPECT_EQ(account.pools[1].in_use, 50);
  EXPECT_EQ(account.pools[1].name, "db");
  EXPECT_EQ(account.pools[1].line, 2U);
}

TEST(LogReader, secrets_in_errors_are_cut) {
  const auto account = read_in(
      "dial postgres://app:hunter2@db/x: FATAL: sorry, too many clients already\n"
      "{\"err\":\"context deadline exceeded: SELECT * FROM cards WHERE pan='4111'\"}\n");
  ASSERT_THAT(account.errors, SizeIs(2));
  for (const auto& error : account.errors) {
    EXPECT_THAT(error.text, Not(HasSubstr("hunter2")));
    EXPECT_THAT(error.text, Not(HasSubstr("4111")));
  }
}

TEST(LogReader, hostile_lines_neither_hang_nor_grow) {
  for (const char* piece :
       {"{\"a\":", "[", "goroutine 1 [", "goroutine 1 [running]:\n", "panic: ", "\x1b[", "\x1b]",
        "maxactive ", "abandon connection, owner thread: ", "\tat a.b(c:1)\n",
        "http: panic serving ", "2026-11-21T03:02:01Z ", "api-1  | ", "\\n\\t",
        "(total=", "Apparent connection leak detected\n"}) {
    std::string text;
    while (text.size() < (300 << 10)) text += piece;
    const auto account = read_in(text);
    EXPECT_LE(account.pools.size(), 5000U);
  }
}

}  // namespace
}  // namespace unclosed
