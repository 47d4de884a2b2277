// Builds a Go program that keeps connections in every way in which programs keep them, with several
// releases, stripped and not, and asks who holds each. UNCLOSED_ALL_RELEASES=1 takes every release.
// Needs the go command; a release that it cannot fetch is skipped, aloud.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/holder_names.h"
#include "collect/golang/goroutine_reader.h"
#include "collect/golang/holders.h"
#include "report/held_text.h"

namespace unclosed {
namespace {

struct Build {
  const char* release;
  bool stripped;
  bool collected = false;  // its garbage, before it is asked
};

void PrintTo(const Build& build, std::ostream* out) {
  *out << build.release << (build.stripped ? " stripped" : "")
       << (build.collected ? " collected" : "");
}

class HoldersOf : public testing::TestWithParam<Build> {
 protected:
  void SetUp() override {
    std::string folder = std::filesystem::temp_directory_path() / "unclosed-holders-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    x_folder = folder;
    std::filesystem::copy_file(
        std::string(UNCLOSED_SOURCE_DIR) + "/src/cli/testdata/holders/main.go",
        x_folder / "main.go");
    std::ofstream(x_folder / "go.mod") << "module example/holders\n\ngo 1.18\n";
    const std::string go =
        fmt::format("cd {} && CGO_ENABLED=0 GODEBUG=goindex=0 GOFLAGS=-mod=mod GOTOOLCHAIN=go{} go ",
                    x_folder.string(), GetParam().release);
    if (std::system((go + "version >version 2>&1").c_str()) != 0)
      GTEST_SKIP() << "go" << GetParam().release << " cannot be fetched, or does not run here";
    const std::string flags = GetParam().stripped ? "-ldflags='-s -w'" : "";
    ASSERT_EQ(std::system((go + "build " + flags + " -o holders . >said 2>&1").c_str()), 0);
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(ask());
  }

  // Reads which descriptor is kept how, until the program is ready.
  void start() {
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe(out.data()), 0);
    x_child = ::fork();
    if (x_child == 0) {
      ::dup2(out[1], 1);
      const std::string program = x_folder / "holders";
      ::execl(program.c_str(), program.c_str(), GetParam().collected ? "collect" : nullptr,
              nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    FILE* lines = ::fdopen(out[0], "r");
    std::array<char, 128> line{};
    bool ready = false;
    while (!ready && std::fgets(line.data(), line.size(), lines) != nullptr) {
      std::istringstream words(line.data());
      std::string kind;
      int fd = -1;
      words >> kind >> fd;
      ready = kind == "ready";
      if (!ready) x_kept[kind].push_back(fd);
    }
    std::fclose(lines);
    ASSERT_TRUE(ready);
  }

  static bool all_parked(const GoroutineList& list) {
    return list.moving == 0 && std::all_of(list.goroutines.begin(), list.goroutines.end(),
                                           [](const LiveGoroutine& one) {
                                             return one.status == GoroutineStatus::kWaiting;
                                           });
  }

  void ask() { ASSERT_NO_FATAL_FAILURE(ask(x_report)); }

  void ask(HeldReport& into) {
    const auto process = ProcFs().identify(x_child);
    ASSERT_TRUE(process);
    auto opened = GoProcess::open(*process, x_modules);
    ASSERT_TRUE(opened) << opened.error().context;
    auto list = read_goroutines(*opened);
    // Main may still be on its way from saying that it is ready to where it waits, and so may others.
    for (int i = 0; i < 200 && list && !all_parked(*list); ++i) {
      ::usleep(10'000);
      list = read_goroutines(*opened);
    }
    ASSERT_TRUE(list) << list.error().context;
    Symbolizer symbolizer(x_modules);
    HolderNamesOf names(*opened, x_modules, symbolizer);
    std::vector<int> fds;
    for (const auto& [kind, some] : x_kept) fds.insert(fds.end(), some.begin(), some.end());
    auto report = holders_of(*opened, *list, fds, names);
    ASSERT_TRUE(report) << report.error().context;
    into = std::move(*report);
  }

  void TearDown() override {
    if (x_child > 0) {
      ::kill(x_child, SIGKILL);
      ::waitpid(x_child, nullptr, 0);
    }
    std::filesystem::remove_all(x_folder);
  }

  const Held& held(int fd) const {
    const auto at = std::find_if(x_report.held.begin(), x_report.held.end(),
                                 [&](const Held& one) { return one.fd == fd; });
    EXPECT_NE(at, x_report.held.end()) << fd;
    return *at;
  }
  const Held& only(const std::string& kind) {
    EXPECT_EQ(x_kept[kind].size(), 1U) << kind;
    return held(x_kept[kind].front());
  }

  // By name; where the binary has none, by the function that uses it.
  void expect_variable(const Held& one, const std::string& name, const std::string& through) {
    const std::string words = holder_words(one.holder) + " through " + chain_words(one.holder);
    EXPECT_EQ(one.holder.kind, HolderKind::kVariable) << words;
    EXPECT_TRUE(one.holder.own) << words;
    if (GetParam().stripped) {
      const auto& users = one.holder.used_by;
      EXPECT_TRUE(std::any_of(users.begin(), users.end(), [](const auto& user) {
        return user.starts_with("main.");
      })) << words;
    } else {
      EXPECT_EQ(one.holder.name, name) << words;
    }
    EXPECT_NE(words.find(through), std::string::npos) << words << " lacks " << through;
    EXPECT_EQ(one.holder.certainty, HolderCertainty::kCertain);
  }

  void expect_goroutine(const Held& one, const std::string& function) {
    const std::string words = holder_words(one.holder) + " through " + chain_words(one.holder);
    EXPECT_EQ(one.holder.kind, HolderKind::kGoroutine) << words;
    EXPECT_NE(one.holder.goroutine, 0U);
    const auto& frame = one.holder.own_frame ? one.holder.own_frame : one.holder.frame;
    ASSERT_TRUE(frame) << words;
    EXPECT_TRUE(frame->function.starts_with(function)) << words;
  }

  std::filesystem::path x_folder;
  pid_t x_child = -1;
  std::map<std::string, std::vector<int>> x_kept;
  ModuleStore x_modules;
  HeldReport x_report;
};

TEST_P(HoldersOf, each_way_to_keep_a_connection_names_its_holder) {
  ASSERT_EQ(x_kept["map"].size(), 3U);
  ASSERT_EQ(x_kept["manymap"].size(), 100U);
  const std::string session = "main.session.conn → net.TCPConn";
  for (const int fd : x_kept["map"]) expect_variable(held(fd), "main.sessions", session);
  for (const int fd : x_kept["manymap"]) expect_variable(held(fd), "main.many", session);
  expect_variable(only("slice"), "main.list", session);
  expect_variable(only("values"), "main.byValue", session);
  expect_variable(only("struct"), "main.primary", "main.server.current → " + session);
  expect_variable(only("channel"), "main.queue", session);
  expect_variable(only("closure"), "main.onShutdown", "closure main.fill.func1 → " + session);
  expect_variable(only("syncmap"), "main.shared", session);
  expect_variable(only("nested"), "main.house", session);
  expect_variable(only("variable"), "main.plain", "net");
  expect_goroutine(only("local"), "main.waitForever");
  expect_goroutine(only("reading"), "main.readForever");
  expect_goroutine(only("deferred"), "main.deferForever");
  // Those who wait for the pool reach what it has lent, and have nothing of it.
  ASSERT_EQ(x_kept["lent"].size(), 2U);
  for (const int fd : x_kept["lent"]) expect_goroutine(held(fd), "main.keepLent");
  // What its function still uses tells more than a copy nearby that it may use no more.
  expect_goroutine(only("receipt"), "main.keepReceipt");
  EXPECT_EQ(only("receipt").holder.certainty, HolderCertainty::kCertain);
  EXPECT_EQ(only("timer").holder.kind, HolderKind::kRuntime) << holder_words(only("timer").holder);
}

TEST_P(HoldersOf, what_many_goroutines_reach_is_held_by_what_keeps_it) {
  for (const int fd : x_kept["crowdvariable"]) expect_variable(held(fd), "main.museum", "");
  for (const int fd : x_kept["crowdmain"]) {
    expect_goroutine(held(fd), "main.main");
    EXPECT_EQ(held(fd).holder.goroutine, 1U);
  }
  for (const int fd : x_kept["crowdguarded"]) expect_goroutine(held(fd), "main.(*hall).guard");
  for (const int fd : x_kept["hub"]) expect_goroutine(held(fd), "main.keepMap");
  for (const std::string kind : {"crowdalone", "crowdvisited"}) {
    ASSERT_EQ(x_kept[kind].size(), 20U);
    const std::string function =
        kind == "crowdalone" ? "main.(*hall).wander" : "main.(*visitor).visit";
    for (const int fd : x_kept[kind]) {
      expect_goroutine(held(fd), function);
      EXPECT_EQ(held(fd).holder.alike, 50U) << kind;
    }
  }
  EXPECT_EQ(only("local").holder.alike, 1U);
  EXPECT_EQ(only("receipt").holder.alike, 1U);
}

TEST_P(HoldersOf, the_answer_is_the_same_each_time) {
  HeldReport again;
  ASSERT_NO_FATAL_FAILURE(ask(again));
  ASSERT_EQ(again.held.size(), x_report.held.size());
  for (size_t i = 0; i < again.held.size(); ++i) {
    const Holder& one = again.held[i].holder;
    const Holder& other = x_report.held[i].holder;
    const std::string words = holder_words(one) + ", before: " + holder_words(other);
    EXPECT_EQ(one.kind, other.kind) << words;
    EXPECT_EQ(one.name, other.name) << words;
    EXPECT_EQ(one.goroutine, other.goroutine) << words;
    EXPECT_EQ(one.alike, other.alike) << words;
  }
}

TEST_P(HoldersOf, what_a_pool_keeps_to_give_is_in_its_free_list_and_what_is_borrowed_is_not) {
  EXPECT_EQ(only("sql1").free_list, "database/sql.DB.freeConn");
  EXPECT_EQ(only("sql2").free_list, "");
  expect_variable(only("sql2"), "main.leaked", "database/sql.driverConn.ci → main.link.c");
  EXPECT_EQ(only("webidle").free_list, "net/http.Transport.idleConn");
  EXPECT_EQ(only("webleaked").free_list, "");
  EXPECT_TRUE(only("webleaked").holder.own) << holder_words(only("webleaked").holder);
  for (const int fd : x_kept["map"]) EXPECT_EQ(held(fd).free_list, "");
}

TEST_P(HoldersOf, no_way_leads_through_the_queues_of_the_collector) {
  for (const Held& one : x_report.held) {
    for (const HeldStep& step : one.holder.chain) {
      EXPECT_TRUE(step.type != "runtime.p" || step.field.starts_with("timers"))
          << holder_words(one.holder) << " through " << chain_words(one.holder);
    }
  }
}

TEST_P(HoldersOf, what_nothing_refers_to_is_garbage) {
  if (GetParam().collected) return;
  EXPECT_EQ(only("garbage").holder.kind, HolderKind::kGarbage)
      << holder_words(only("garbage").holder) << chain_words(only("garbage").holder)
      << only("garbage").why;
  EXPECT_TRUE(x_report.complete);
}

std::vector<Build> builds() {
  std::vector<Build> all;
  const bool every = std::getenv("UNCLOSED_ALL_RELEASES") != nullptr;
  for (const char* release : {"1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12",
                              "1.24.10", "1.25.5", "1.26.8"}) {
    const std::string_view name = release;
    const bool odd =
        name.starts_with("1.19") || name.starts_with("1.23") || name.starts_with("1.25");
    if (odd && !every) continue;
    all.push_back({release, false});
    all.push_back({release, true});
    if (name.starts_with("1.26")) all.push_back({release, false, true});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Releases, HoldersOf, testing::ValuesIn(builds()), [](const auto& one) {
  std::string name = std::string(one.param.release) + (one.param.stripped ? "_stripped" : "") +
                     (one.param.collected ? "_collected" : "");
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace unclosed
