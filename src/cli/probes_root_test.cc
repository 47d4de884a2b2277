// Builds a Go service that leaks response bodies with the oldest and the newest release of the
// table of hand-out functions, looks at it, and wants the caller blamed. Needs the go command; a
// release that it cannot fetch is skipped, aloud.
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
  void SetUp() override {
    x_folder =
        std::filesystem::temp_directory_path() / ("unclosed-probes-" + std::to_string(getpid()));
    std::filesystem::create_directories(x_folder);
    const std::string program = x_folder / "program";
    const std::string go = std::string("cd ") + UNCLOSED_SOURCE_DIR +
                           "/src/cli/testdata/handouts && CGO_ENABLED=0 GOTOOLCHAIN=go" +
                           GetParam() + " go ";
    if (std::system((go + "version >/dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << "go" << GetParam() << " cannot be fetched, or does not run here";
    ASSERT_EQ(std::system((go + "build -o " + program + " .").c_str()), 0);
    x_pid = ::fork();
    if (x_pid == 0) {
      ::execl(program.c_str(), program.c_str(), nullptr);
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

  Result<SessionResult> look(bool probes) {
    const auto process = ProcFs().identify(x_pid);
    if (!process) return process.error();
    SessionSettings settings;
    settings.targets = {*process};
    settings.window = std::chrono::seconds(8);
    settings.policy_scale = 0.05;
    settings.probes = probes;
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
  ASSERT_EQ(report.coverage.probes.size(), 1U);
  EXPECT_EQ(report.coverage.probes[0].function, "net/http.(*persistConn).roundTrip");
  EXPECT_TRUE(report.coverage.notes.empty()) << report.coverage.notes[0];
  ASSERT_EQ(report.judgement.findings.size(), 1U);
  const Finding& finding = report.judgement.findings[0];
  ASSERT_TRUE(finding.blame) << finding.no_blame_reason;
  EXPECT_EQ(finding.blame->site.function, "main.leaky");
  EXPECT_EQ(finding.blame->role, BlameRole::kBorrowed);
  EXPECT_EQ(finding.borrowed->function, "main.get");
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

INSTANTIATE_TEST_SUITE_P(Releases, Probes, testing::Values("1.18.10", "1.21.13", "1.26.8"),
                         [](const auto& release) {
                           std::string name = release.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return "go" + name;
                         });

}  // namespace
}  // namespace unclosed
