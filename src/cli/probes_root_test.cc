// Builds a Go service that leaks response bodies with the oldest and the newest release of the
// table of hand-out functions, and with those between, looks at it, and wants the caller blamed.
// Needs the go command; a release that it cannot fetch is skipped, aloud.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "cli/session.h"
#include "collect/procfs/procfs.h"

namespace unclosed {
namespace {

class Probes : public testing::TestWithParam<const char*> {
 protected:
  virtual const char* argument() const { return nullptr; }
  void SetUp() override {
    x_folder =
        std::filesystem::temp_directory_path() / ("unclosed-probes-" + std::to_string(getpid()));
    std::filesystem::create_directories(x_folder);
    const std::string program = x_folder / "program";
    const std::string go = std::string("cd ") + UNCLOSED_SOURCE_DIR +
                           "/src/cli/testdata/handouts && CGO_ENABLED=0 GODEBUG=goindex=0 GOTOOLCHAIN=go" +
                           GetParam() + " go ";
    if (std::system((go + "list . >/dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << "go" << GetParam() << " cannot be fetched, or does not run here";
    ASSERT_EQ(std::system((go + "build -o " + program + " .").c_str()), 0);
    x_pid = ::fork();
    if (x_pid == 0) {
      ::execl(program.c_str(), program.c_str(), argument(), nullptr);
      _exit(127);
    }
    ::usleep(500'000);
  }
  void TearDown() override {
    if (x_pid > 0) {
      ::kill(x_pid, SIGKILL);
      ::waitpid(x_pid, nullptr, 0);
    }
    std::filesystem::remove_all(x_folder);
  }

  bool target_is_alive() const { return ::waitpid(x_pid, nullptr, WNOHANG) == 0; }
  Result<SessionResult> look(bool probes, EntryProbes entry_probes = EntryProbes::kMulti) {
    const auto process = ProcFs().identify(x_pid);
    if (!process) return process.error();
    SessionSettings settings;
    settings.targets = {*process};
    settings.window = std::chrono::seconds(8);
    settings.policy_scale = 0.05;
    settings.probes = probes;
    settings.entry_probes = entry_probes;
    return run_session(settings, x_interrupts);
  }

 private:
  std::filesystem::path x_folder;
  pid_t x_pid = -1;
  std::atomic<int> x_interrupts = 0;
};

TEST_P(Probes, the_caller_of_net_http_is_blamed) {
  const auto result = look(true);
  ASSERT_TRUE(result) << result.error().context;
  const Report& report = result->report;
  ASSERT_EQ(report.coverage.probes.size(), 2U);
  EXPECT_EQ(report.coverage.probes[0].function, "net/http.(*persistConn).roundTrip");
  EXPECT_EQ(report.coverage.probes[1].function, "net/http.(*bodyEOFSignal).Close");
  EXPECT_TRUE(report.coverage.notes.empty()) << report.coverage.notes[0];
  ASSERT_EQ(report.judgement.findings.size(), 1U);
  const Finding& finding = report.judgement.findings[0];
  ASSERT_TRUE(finding.blame) << finding.no_blame_reason;
  EXPECT_EQ(finding.blame->site.function, "main.leaky");
  EXPECT_EQ(finding.blame->role, BlameRole::kBorrowed);
  EXPECT_EQ(finding.borrowed->function, "main.get");
  ASSERT_TRUE(finding.normally_closed_at);
  EXPECT_EQ(finding.normally_closed_at->site.function, "main.healthy");
  EXPECT_EQ(finding.normally_closed_at->how, CloseHow::kReturned);
}

TEST_P(Probes, without_them_nobody_is_blamed_and_the_reason_says_what_would_tell) {
  const auto result = look(false);
  ASSERT_TRUE(result) << result.error().context;
  const Report& report = result->report;
  EXPECT_TRUE(report.coverage.probes.empty());
  ASSERT_EQ(report.judgement.findings.size(), 1U);
  EXPECT_FALSE(report.judgement.findings[0].blame);
  EXPECT_NE(report.judgement.findings[0].no_blame_reason.find("(*persistConn).roundTrip"),
            std::string::npos);
}

class OlderKernel : public Probes {};
TEST_P(OlderKernel, without_probes_for_many_places_perf_events_name_the_caller) {
  const auto result = look(true, EntryProbes::kPerfEvent);
  ASSERT_TRUE(result) << result.error().context;
  const Report& report = result->report;
  EXPECT_TRUE(report.coverage.notes.empty()) << report.coverage.notes[0];
  ASSERT_EQ(report.judgement.findings.size(), 1U);
  ASSERT_TRUE(report.judgement.findings[0].blame);
  EXPECT_EQ(report.judgement.findings[0].blame->site.function, "main.leaky");
}

class Faulty : public Probes {
  const char* argument() const override { return "faults"; }
};
TEST_P(Faulty, target_has_no_probes_any_more) {
  const auto result = look(true);
  ASSERT_TRUE(result) << result.error().context;
  EXPECT_TRUE(target_is_alive());
  const auto& notes = result->report.coverage.notes;
  const bool told = std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.find("(*persistConn).roundTrip (taken away at once") != std::string::npos &&
           note.find("took SIGSEGV") != std::string::npos;
  });
  EXPECT_TRUE(told) << (notes.empty() ? "no notes" : notes[0]);
}

std::string name_of(const testing::TestParamInfo<const char*>& release) {
  std::string name = release.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return "go" + name;
}

INSTANTIATE_TEST_SUITE_P(Releases, Probes,
                         testing::Values("1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12",
                                         "1.23.12", "1.24.10", "1.25.5", "1.26.8"),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Releases, OlderKernel, testing::Values("1.20.14", "1.26.8"), name_of);
INSTANTIATE_TEST_SUITE_P(Releases, Faulty, testing::Values("1.26.8"), name_of);

}  // namespace
}  // namespace unclosed
