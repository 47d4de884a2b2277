#include "cli/app.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/completion.h"
#include "cli/version.h"

namespace unclosed {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Outcome {
  int code = -1;
  std::string out, err;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs the program in a process of its own, so that closed descriptors and signals stay there.
class Program {
 public:
  SessionRunner runner = [this](const SessionSettings& settings, const std::atomic<int>&) {
    std::ofstream(x_place + ".settings")
        << settings.targets.size() << ' ' << settings.command.size() << ' '
        << (settings.window ? seconds(*settings.window) : 0);
    settings.progress("attached\x1b[2J", true);
    return Result<SessionResult>(result);
  };
  SessionResult result;
  std::function<void()> before = [] {};

  Outcome run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "unclosed");
    const pid_t child = ::fork();
    if (child == 0) {
      redirect(1, x_place + ".out");
      redirect(2, x_place + ".err");
      before();
      std::vector<char*> argv;
      for (auto& argument : arguments) argv.push_back(argument.data());
      ::_exit(run_app(static_cast<int>(argv.size()), argv.data(), runner));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status),
            content(x_place + ".out"), content(x_place + ".err")};
  }
  std::string settings() const { return content(x_place + ".settings"); }

 private:
  static void redirect(int fd, const std::string& path) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, fd);
    ::close(file);
  }

  std::string x_place = testing::TempDir() + "unclosed_app_test_" + std::to_string(::getpid());
};

Finding finding(Verdict verdict) {
  Finding one;
  one.verdict = verdict;
  return one;
}

// A target that we may look into: the parent of the program, this test.
std::string me() { return std::to_string(::getpid()); }

TEST(App, help_fits_a_screen_and_shows_three_examples) {
  Program program;
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"attach", "--help"},
                                                    {"run", "--help"},
                                                    {"ls", "--help"},
                                                    {"go", "--help"},
                                                    {"doctor", "--help"},
                                                    {"explain", "--help"},
                                                    {"completion", "--help"}}) {
    const auto outcome = program.run(arguments);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_LE(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 30) << outcome.out;
    const auto examples = outcome.out.substr(outcome.out.find("Examples:"));
    size_t count = 0;
    for (size_t at = 0; (at = examples.find("unclosed ", at)) != std::string::npos; ++at) ++count;
    EXPECT_GE(count, 3U) << outcome.out;
    EXPECT_THAT(outcome.out, HasSubstr("Usage: unclosed"));
  }
}

TEST(App, the_version_is_that_of_the_build) {
  const auto outcome = Program().run({"--version"});
  EXPECT_EQ(outcome.out, std::string("unclosed ") + kVersion + "\n");
  EXPECT_THAT(content(UNCLOSED_SOURCE_DIR "/CMakeLists.txt"),
              HasSubstr(std::string("VERSION ") + kVersion));
}

TEST(App, a_wrong_command_line_exits_2_and_says_what_is_wrong) {
  Program program;
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"attack"},
                                                    {"attach"},
                                                    {"attach", "1", "--for", "5x"},
                                                    {"attach", "1", "--fail-on=any"},
                                                    {"attach", "1", "--scale", "0"},
                                                    {"run"},
                                                    {"run", "ls"},
                                                    {"run", "--jsn", "--", "ls"},
                                                    {"run", "--"},
                                                    {"completion", "tcsh"},
                                                    {"explain", "UC-E999"},
                                                    {"attach", "1", "--source-dir", "x"}}) {
    const auto outcome = program.run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "");
  }
  EXPECT_THAT(program.run({"run", "ls"}).err, HasSubstr("behind `--`"));
  EXPECT_THAT(program.run({"run", "--jsn", "--", "ls"}).err, HasSubstr("--jsn"));
}

TEST(App, attach_gives_the_session_its_targets_and_window) {
  Program program;
  const auto outcome = program.run({"attach", me(), me(), "--for", "1m30s"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(program.settings(), "1 0 90");
  EXPECT_THAT(outcome.out, HasSubstr("no leak was seen"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  EXPECT_EQ(outcome.err, "attached\\x1b[2J\n");
}

TEST(App, what_stands_behind_the_dashes_is_the_command_whatever_it_looks_like) {
  Program program;
  program.result.child_status = 0;
  EXPECT_EQ(program.run({"run", "--quiet", "--", "cmd", "--json", "--", "-x"}).code, 0);
  EXPECT_EQ(program.settings(), "0 4 0");
}

TEST(App, run_passes_the_childs_code_through) {
  Program program;
  program.result.child_status = 7 << 8;
  EXPECT_EQ(program.run({"run", "--", "cmd"}).code, 7);
  program.result.child_status = SIGSEGV;
  EXPECT_EQ(program.run({"run", "--", "cmd"}).code, 128 + SIGSEGV);
}

TEST(App, fail_on_decides_over_the_childs_code) {
  Program program;
  program.result.child_status = 7 << 8;
  program.result.report.judgement.findings = {finding(Verdict::kSuspect)};
  EXPECT_EQ(program.run({"run", "--fail-on=leaking", "--", "cmd"}).code, 7);
  EXPECT_EQ(program.run({"run", "--fail-on=suspect", "--", "cmd"}).code, 1);
  program.result.report.judgement.findings = {finding(Verdict::kLeaking)};
  EXPECT_EQ(program.run({"run", "--fail-on=leaking", "--", "cmd"}).code, 1);
  EXPECT_EQ(program.run({"run", "--fail-on=suspect", "--", "cmd"}).code, 1);
  program.result.incomplete = true;
  EXPECT_EQ(program.run({"run", "--fail-on=incomplete", "--", "cmd"}).code, 6);
  EXPECT_EQ(program.run({"run", "--fail-on=leaking,incomplete", "--", "cmd"}).code, 1);
  EXPECT_EQ(program.run({"run", "--", "cmd"}).code, 7);
  EXPECT_EQ(program.run({"attach", me()}).code, 0);
}

TEST(App, an_error_of_the_session_becomes_its_exit_code_and_its_text) {
  Program program;
  const auto fails = [&](ErrorKind kind) {
    program.runner = [kind](const SessionSettings&, const std::atomic<int>&) {
      return Result<SessionResult>(Error{kind, "the \x1b[31mreason", "UC-E006"});
    };
    return program.run({"attach", me()});
  };
  EXPECT_EQ(fails(ErrorKind::kGone).code, 3);
  EXPECT_EQ(fails(ErrorKind::kDenied).code, 4);
  const auto outcome = fails(ErrorKind::kUnsupported);
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("error UC-E006: the \\x1b[31mreason\n"),
                                 HasSubstr("fix :"), HasSubstr("unclosed explain UC-E006")));
}

TEST(App, whatever_is_thrown_is_a_bug_and_exits_70) {
  Program program;
  program.runner = [](const SessionSettings&, const std::atomic<int>&) -> Result<SessionResult> {
    throw std::runtime_error("oops");
  };
  const auto outcome = program.run({"attach", me()});
  EXPECT_EQ(outcome.code, 70);
  EXPECT_THAT(outcome.err, HasSubstr("UC-E017: oops"));
}

TEST(App, json_is_the_only_thing_on_standard_output) {
  const auto outcome = Program().run({"attach", me(), "--json"});
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["schema"], "unclosed.report/1");
}

TEST(App, a_report_in_a_file_appears_when_it_is_whole) {
  const auto place = testing::TempDir() + "unclosed_app_report_" + me();
  std::filesystem::create_directories(place);
  Program program;
  const auto outcome = program.run({"attach", me(), "--json", "-o", place + "/report.json"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(nlohmann::json::parse(content(place + "/report.json"))["rung"], "");
  program.runner = [](const SessionSettings&, const std::atomic<int>&) {
    return Result<SessionResult>(Error{ErrorKind::kGone, "gone", {}});
  };
  EXPECT_EQ(program.run({"attach", me(), "-o", place + "/other"}).code, 3);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(place), {}), 1);
  EXPECT_EQ(program.run({"attach", me(), "-o", place + "/no/such/place"}).code, 5);
  std::filesystem::remove_all(place);
}

TEST(App, an_output_that_takes_nothing_is_an_error) {
  Program program;
  const auto full = program.run({"attach", me(), "-o", "/dev/full"});
  EXPECT_EQ(full.code, 5);
  EXPECT_THAT(full.err, HasSubstr("UC-E010: writing to /dev/full: No space left on device"));

  program.before = [] { ::close(1); };
  const auto closed = program.run({"attach", me()});
  EXPECT_EQ(closed.code, 5);
  EXPECT_THAT(closed.err, HasSubstr("UC-E010: writing to standard output: Bad file descriptor"));

  program.before = [] {
    int ends[2];
    if (::pipe(ends) != 0) ::_exit(99);
    ::close(ends[0]);
    ::dup2(ends[1], 1);
  };
  const auto broken = program.run({"attach", me()});
  EXPECT_EQ(broken.code, 5);
  EXPECT_THAT(broken.err, HasSubstr("Broken pipe"));
}

TEST(App, colour_follows_the_flag_and_the_environment) {
  Program program;
  const auto coloured = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"attach", me()});
    return program.run(more).out.find('\x1b') != std::string::npos;
  };
  ::unsetenv("NO_COLOR");
  ::unsetenv("CLICOLOR_FORCE");
  EXPECT_FALSE(coloured({}));  // no terminal
  EXPECT_TRUE(coloured({"--color=always"}));
  ::setenv("CLICOLOR_FORCE", "1", 1);
  EXPECT_TRUE(coloured({}));
  EXPECT_FALSE(coloured({"--color=never"}));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(coloured({}));
  EXPECT_TRUE(coloured({"--color=always"}));
  ::unsetenv("NO_COLOR");
  ::unsetenv("CLICOLOR_FORCE");
}

TEST(App, the_first_interrupt_ends_early_and_the_second_ends_the_program) {
  Program program;
  program.runner = [](const SessionSettings&, const std::atomic<int>& stop) {
    ::raise(SIGINT);
    SessionResult result;
    result.report.interrupted = stop == 1;
    return Result<SessionResult>(result);
  };
  const auto once = program.run({"attach", me()});
  EXPECT_EQ(once.code, 0);
  EXPECT_THAT(once.out, HasSubstr("(ended early)"));
  EXPECT_EQ(program.run({"run", "--", "cmd"}).code, 128 + SIGINT);  // the child's end is not known
  program.runner = [](const SessionSettings&, const std::atomic<int>&) {
    ::raise(SIGINT);
    ::raise(SIGINT);  // a terminal's, and once more through its group: still the first
    return Result<SessionResult>(SessionResult());
  };
  EXPECT_EQ(program.run({"attach", me()}).code, 0);
  program.runner = [](const SessionSettings&, const std::atomic<int>&) {
    ::raise(SIGINT);
    ::usleep(400'000);
    ::raise(SIGINT);
    return Result<SessionResult>(SessionResult());
  };
  EXPECT_EQ(program.run({"attach", me()}).code, 1000 + SIGINT);
}

TEST(App, ls_lists_what_a_process_of_ours_has_open) {
  Program program;
  const auto place = testing::TempDir() + "unclosed_ls_\x1b[2J_" + me();
  std::ofstream file(place);
  const auto text = program.run({"ls", "--rung", "proc", me()});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("WHERE"), HasSubstr("rung proc"), HasSubstr("\\x1b[2J"),
                              Not(HasSubstr("\x1b"))));
  const auto json = nlohmann::json::parse(
      program.run({"ls", "--rung", "proc", "--json", "--kind", "file", me()}).out);
  EXPECT_EQ(json["schema"], "unclosed.listing/1");
  ASSERT_EQ(json["processes"].size(), 1U);
  EXPECT_EQ(json["processes"][0]["pid"], ::getpid());
  bool found = false;
  for (const auto& one : json["processes"][0]["descriptors"]) {
    EXPECT_EQ(one["kind"], "file");
    found = found || one["name"] == place;
  }
  EXPECT_TRUE(found);
  std::filesystem::remove(place);
}

TEST(App, ls_says_what_it_was_asked_wrongly) {
  Program program;
  EXPECT_EQ(program.run({"ls", "--state", "DANCING"}).code, 2);
  EXPECT_EQ(program.run({"ls", "--kind", "socket"}).code, 2);
  EXPECT_EQ(program.run({"ls", "--sort", "name"}).code, 2);
  EXPECT_EQ(program.run({"ls", "--for", "soon"}).code, 2);
  EXPECT_EQ(program.run({"ls", "2000000000"}).code, 3);
  EXPECT_EQ(program.run({"ls", "--once", "--rung", "proc", "--state", "close-wait", me()}).code, 0);
}

const std::string kDumps = UNCLOSED_SOURCE_DIR "/src/collect/pprof/testdata/";

TEST(App, go_reads_files_in_the_order_in_which_they_are_given) {
  Program program;
  const std::string first = kDumps + "go1.26.txt", last = kDumps + "waits.txt";
  const auto text = program.run({"go", first});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("main.(*queue).consume"), HasSubstr("parked in"),
                              HasSubstr("LATER")));
  const auto json = nlohmann::json::parse(program.run({"go", "--json", first, last}).out);
  EXPECT_EQ(json["schema"], "unclosed.goroutines/1");
  EXPECT_EQ(json["groups"][0]["counts"].size(), 2U);
  EXPECT_TRUE(json["growth"].is_number());
  bool own = false;
  for (const auto& group : json["groups"])
    own = own || (!group["own"].is_null() && group["own"]["function"] == "main.(*queue).consume");
  EXPECT_TRUE(own);
}

TEST(App, go_takes_patterns_of_what_is_own) {
  Program program;
  const auto json = nlohmann::json::parse(
      program
          .run({"go", "--json", "--not-own", "main.*", "--own", "net/http", kDumps + "go1.26.txt"})
          .out);
  for (const auto& group : json["groups"])
    if (!group["own"].is_null()) {
      EXPECT_THAT(group["own"]["function"].get<std::string>(), HasSubstr("net/http"));
    }
}

TEST(App, go_says_what_it_was_asked_wrongly) {
  Program program;
  EXPECT_EQ(program.run({"go"}).code, 2);
  EXPECT_EQ(program.run({"go", "no-such-file.txt"}).code, 2);
  const auto nothing = program.run({"go", "no-such-name"});
  EXPECT_EQ(nothing.code, 3);
  EXPECT_THAT(nothing.err, HasSubstr("neither a file nor a process"));
  EXPECT_EQ(program.run({"go", "2000000000"}).code, 3);
  EXPECT_EQ(program.run({"go", "1", "2"}).code, 2);
  EXPECT_EQ(program.run({"go", "ftp://host/"}).code, 2);
  EXPECT_EQ(program.run({"go", "http://host/", kDumps + "go1.26.txt"}).code, 2);
  EXPECT_EQ(program.run({"go", "--top", "0", kDumps + "go1.26.txt"}).code, 2);
  EXPECT_EQ(program.run({"go", kDumps}).code, 2) << "a folder";
  EXPECT_EQ(program.run({"go", kDumps + "cpu.pb.gz"}).code, 5);
  const auto secret = program.run({"go", "http://ops:geheim@127.0.0.1:1/?token=geheim"});
  EXPECT_EQ(secret.code, 3);
  EXPECT_THAT(secret.out + secret.err, Not(HasSubstr("geheim")));
}

TEST(App, explain_tells_of_one_error_or_lists_them) {
  Program program;
  EXPECT_THAT(program.run({"explain", "uc-e004"}).out,
              AllOf(HasSubstr("UC-E004"), HasSubstr("CAP_SYS_PTRACE")));
  EXPECT_THAT(program.run({"explain"}).out, HasSubstr("UC-E010"));
  const auto json = nlohmann::json::parse(program.run({"explain", "UC-E004", "--json"}).out);
  EXPECT_EQ(json["id"], "UC-E004");
}

TEST(App, completion_knows_every_command_and_option) {
  Program program;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const auto outcome = program.run({"completion", shell});
    EXPECT_EQ(outcome.code, 0);
    for (const char* word :
         {"attach", "run", "ls", "go", "doctor", "explain", "completion", "fail-on", "source-dir",
          "leaking suspect incomplete", "limit fds growth pid"}) {
      EXPECT_THAT(outcome.out, HasSubstr(word)) << shell;
    }
  }
  const auto script = testing::TempDir() + "unclosed_completion_" + me();
  std::ofstream(script) << program.run({"completion", "bash"}).out
                        << "COMP_WORDS=(unclosed attach --js); COMP_CWORD=2; _unclosed\n"
                           "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
                           "COMP_WORDS=(unclosed run --fail-on = s); COMP_CWORD=4; _unclosed\n"
                           "printf '%s\\n' \"${COMPREPLY[@]}\"\n";
  FILE* bash = ::popen(("bash " + script + " 2>&1").c_str(), "r");
  ASSERT_NE(bash, nullptr);
  char line[256];
  std::string said;
  while (std::fgets(line, sizeof line, bash) != nullptr) said += line;
  ::pclose(bash);
  EXPECT_EQ(said, "--json\nsuspect\n");
  std::filesystem::remove(script);
}

}  // namespace
}  // namespace unclosed
