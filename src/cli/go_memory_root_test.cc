// Builds a Go program with each release, in each way that matters, lets it park goroutines in every
// way, and compares what its memory says with its own dump (debug=2) taken beside it. Needs the go
// command; a release that it cannot fetch is skipped, aloud.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "cli/goroutine_capture.h"
#include "cli/goroutine_names.h"
#include "collect/golang/goroutine_reader.h"
#include "collect/golang/http_requests.h"
#include "collect/golang/poll_descriptors.h"
#include "collect/golang/sql_pools.h"
#include "collect/pprof/trace.h"

namespace unclosed {
namespace {

constexpr int kReceivers = 2000, kConnections = 100;

struct Build {
  const char* release;
  const char* name;
  const char* flags;
};

void PrintTo(const Build& build, std::ostream* out) { *out << build.release << " " << build.name; }

std::string shell(const std::string& command, int& status) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 65536> part{};
  for (size_t got; (got = fread(part.data(), 1, part.size(), pipe)) > 0;)
    text.append(part.data(), got);
  status = ::pclose(pipe);
  return text;
}

class GoMemoryOf : public testing::TestWithParam<Build> {
 protected:
  void SetUp() override { build_and_start("parked"); }

  void build_and_start(const std::string& source) {
    const Build& build = GetParam();
    x_folder =
        std::filesystem::temp_directory_path() / fmt::format("unclosed-memory-{}", ::getpid());
    std::filesystem::create_directories(x_folder);
    std::filesystem::copy_file(
        std::string(UNCLOSED_SOURCE_DIR) + "/src/cli/testdata/" + source + "/main.go",
        x_folder / "main.go");
    std::ofstream(x_folder / "go.mod") << "module example/parked\n\ngo 1.18\n";
    const bool external = std::string(build.flags).find("external") != std::string::npos;
    const std::string go =
        // Go 1.19 trips over its index of packages in a cache that newer releases use as well.
        fmt::format(
            "cd {} && CGO_ENABLED={} GODEBUG=goindex=0 GOFLAGS=-mod=mod GOTOOLCHAIN=go{} go ",
            x_folder.string(), external ? 1 : 0, build.release);
    int status = 0;
    shell(go + "version 2>/dev/null", status);
    if (status != 0)
      GTEST_SKIP() << "go" << build.release << " cannot be fetched, or does not run here";
    const auto said = shell(fmt::format("{} build {} -o parked . 2>&1", go, build.flags), status);
    ASSERT_EQ(status, 0) << said;
    ASSERT_NO_FATAL_FAILURE(start());
  }

  void start() {
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe(out.data()), 0);
    x_child = ::fork();
    if (x_child == 0) {
      ::dup2(out[1], 1);
      const std::string program = x_folder / "parked";
      ::execl(program.c_str(), program.c_str(), std::to_string(kReceivers).c_str(),
              std::to_string(kConnections).c_str(), nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    std::array<char, 64> line{};
    const ssize_t got = ::read(out[0], line.data(), line.size() - 1);
    ::close(out[0]);
    ASSERT_GT(got, 5);
    x_address = std::string(line.data(), static_cast<size_t>(got) - 1);
    ::usleep(200'000);
  }

  void TearDown() override {
    if (x_child > 0) {
      ::kill(x_child, SIGKILL);
      ::waitpid(x_child, nullptr, 0);
    }
    std::filesystem::remove_all(x_folder);
  }

  GoProcess open() {
    const auto process = ProcFs().identify(x_child);
    EXPECT_TRUE(process);
    auto opened = GoProcess::open(*process, x_modules);
    if (!opened) {
      ADD_FAILURE() << opened.error().context;
      std::abort();
    }
    return std::move(*opened);
  }

  // Its own dump, by id.
  std::map<uint64_t, ParsedTrace> dump() {
    int status = 0;
    const auto text =
        shell(fmt::format("curl -s 'http://{}/debug/pprof/goroutine?debug=2'", x_address), status);
    std::map<uint64_t, ParsedTrace> traces;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find("\n\n", at), text.size());
      auto trace = parse_trace(std::string_view(text).substr(at, end - at + 1));
      if (trace) traces.emplace(trace->id, std::move(*trace));
      at = end + 2;
    }
    return traces;
  }

  void compare_with_its_dump(GoProcess& process);
  void check_groups(GoProcess& process);
  void check_descriptors(GoProcess& process);
  void check_pools(GoProcess& process);
  void check_requests(GoProcess& process);

  std::filesystem::path x_folder;
  pid_t x_child = -1;
  std::string x_address;
  ModuleStore x_modules;
};

std::string link_of(pid_t process, int fd) {
  std::error_code fault;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", process, fd), fault);
}

std::string shown(const NamedFrame& frame) {
  return fmt::format("{} {}:{}", frame.function, frame.file, frame.line);
}

std::vector<std::string> shown(const std::vector<NamedFrame>& frames, size_t first, size_t last) {
  std::vector<std::string> lines;
  for (size_t i = first; i < last && i < frames.size(); ++i) lines.push_back(shown(frames[i]));
  return lines;
}

bool holds(const std::vector<NamedFrame>& stack, std::string_view function) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](const NamedFrame& frame) { return frame.function == function; });
}

void GoMemoryOf::compare_with_its_dump(GoProcess& process) {
  EXPECT_TRUE(process.notes().empty()) << process.notes()[0];
  const auto list = read_goroutines(process);
  ASSERT_TRUE(list) << list.error().context;
  const auto theirs = dump();
  ASSERT_GT(theirs.size(), static_cast<size_t>(kReceivers + kConnections));
  Symbolizer symbolizer(x_modules);
  GoroutineNames names(process, *list, x_modules, symbolizer);
  size_t compared = 0, ours = 0;
  for (const LiveGoroutine& goroutine : list->goroutines) {
    if (names.system(goroutine)) continue;
    ++ours;
    const auto found = theirs.find(goroutine.id);
    ASSERT_TRUE(found != theirs.end()) << goroutine.id;
    const ParsedTrace& trace = found->second;
    // The one that wrote the dump, and the one that accepted who asked for it.
    if (trace.state == "running" || holds(trace.stack, "net/http.(*Server).Serve")) continue;
    EXPECT_EQ(names.state(goroutine), trace.state) << goroutine.id;
    EXPECT_EQ(goroutine.locked, trace.locked_to_thread) << goroutine.id;
    const auto& creator = names.created_by(goroutine);
    ASSERT_EQ(creator.has_value(), trace.created_by.has_value()) << goroutine.id;
    if (creator) {
      EXPECT_EQ(shown(*creator), shown(*trace.created_by)) << goroutine.id;
    }
    EXPECT_EQ(goroutine.parent, trace.parent) << goroutine.id;
    const auto& stack = names.stack(goroutine).frames;
    // Dumps leave out the middle of deep stacks; those before 1.21 end after 100 calls, unsaid.
    const size_t head = trace.stack.size() > 90 ? 40 : stack.size();
    EXPECT_EQ(shown(stack, 0, head), shown(trace.stack, 0, head)) << goroutine.id;
    if (trace.stack.size() <= 90) {
      EXPECT_EQ(stack.size(), trace.stack.size()) << goroutine.id;
    }
    ++compared;
  }
  EXPECT_EQ(list->moving, 0U);
  EXPECT_GE(compared, static_cast<size_t>(kReceivers + kConnections));
  // Of theirs, what serves the dump alone came after.
  EXPECT_GE(ours + 3, theirs.size());
}

void GoMemoryOf::check_groups(GoProcess& process) {
  const auto list = read_goroutines(process);
  ASSERT_TRUE(list) << list.error().context;
  Symbolizer symbolizer(x_modules);
  GoroutineNames names(process, *list, x_modules, symbolizer);
  const GoroutineCapture capture = capture_goroutines(process, *list, names);
  ASSERT_FALSE(capture.groups.empty());
  const GoroutineGroup& first = capture.groups.front();
  EXPECT_EQ(first.count, static_cast<uint64_t>(kReceivers));
  EXPECT_EQ(first.state, "chan receive");
  EXPECT_EQ(first.ids.size(), 4U);
  ASSERT_TRUE(own_frame(first));
  EXPECT_EQ(first.stack[*own_frame(first)].function, "main.inlined");
  ASSERT_TRUE(first.created_by);
  EXPECT_EQ(first.created_by->function, "main.start");
  EXPECT_EQ(capture.rung, "memory");
  EXPECT_EQ(capture.go, std::string("go") + GetParam().release);
  uint64_t sum = 0;
  for (const auto& group : capture.groups) sum += group.count;
  EXPECT_EQ(sum, capture.goroutines);
  EXPECT_GT(capture.memory->hidden, 2U);
}

void GoMemoryOf::check_descriptors(GoProcess& process) {
  const auto list = read_goroutines(process);
  ASSERT_TRUE(list) << list.error().context;
  const auto descriptors = poll_descriptors(process);
  ASSERT_TRUE(descriptors) << descriptors.error().context;
  std::set<uint64_t> readers;
  size_t idle = 0;
  std::set<int> numbers;
  for (const PollDescriptor& one : *descriptors) {
    EXPECT_TRUE(numbers.insert(one.fd).second) << one.fd;
    if (one.reader != 0) readers.insert(one.reader);
    if (one.reader == 0 && one.writer == 0) ++idle;
    const std::string link = link_of(x_child, one.fd);
    EXPECT_TRUE(link.starts_with("socket:") || link.starts_with("pipe:")) << link;
  }
  std::set<uint64_t> waiting;
  for (const LiveGoroutine& goroutine : list->goroutines) {
    if (goroutine.status == GoroutineStatus::kWaiting &&
        process.wait_reason(goroutine.wait_reason) == "IO wait")
      waiting.insert(goroutine.id);
  }
  EXPECT_EQ(readers, waiting);
  EXPECT_GE(readers.size(), static_cast<size_t>(kConnections));
  EXPECT_GE(idle, static_cast<size_t>(kConnections));  // the dialled ends
  const auto calls = blocking_calls(process, *list);
  ASSERT_TRUE(calls) << calls.error().context;
  ASSERT_EQ(calls->size(), 1U);
  EXPECT_EQ(calls->front().call, "read");
  const std::string link = link_of(x_child, calls->front().fd);
  EXPECT_TRUE(link.starts_with("pipe:")) << link;
}

void GoMemoryOf::check_pools(GoProcess& process) {
  const auto list = read_goroutines(process);
  ASSERT_TRUE(list) << list.error().context;
  const auto pools = sql_pools(process, *list);
  ASSERT_TRUE(pools) << pools.error().context;
  ASSERT_EQ(pools->size(), 1U);
  const SqlPool& pool = pools->front();
  EXPECT_EQ(pool.max_open, 3);
  EXPECT_EQ(pool.max_idle, 2);
  EXPECT_EQ(pool.open, 3);
  EXPECT_EQ(pool.in_use, 2);
  EXPECT_EQ(pool.idle, 1);
  EXPECT_EQ(pool.waits, 1);
  EXPECT_GT(pool.wait_seconds, 0.01);
  EXPECT_LT(pool.wait_seconds, 5);
  ASSERT_EQ(pool.connections.size(), 3U);
  std::set<int> numbers;
  size_t in_use = 0;
  for (const auto& one : pool.connections) {
    ASSERT_TRUE(one.fd);
    EXPECT_TRUE(numbers.insert(*one.fd).second);
    EXPECT_TRUE(link_of(x_child, *one.fd).starts_with("socket:"));
    in_use += one.in_use ? 1 : 0;
  }
  EXPECT_EQ(in_use, 2U);
}

void GoMemoryOf::check_requests(GoProcess& process) {
  const auto list = read_goroutines(process);
  ASSERT_TRUE(list) << list.error().context;
  const auto requests = http_requests(process, *list);
  ASSERT_TRUE(requests) << requests.error().context;
  ASSERT_EQ(requests->size(), 2U);
  std::set<HttpRequest::Role> roles;
  for (const HttpRequest& request : *requests) {
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.path, "/slow/orders");
    EXPECT_TRUE(link_of(x_child, request.fd).starts_with("socket:"));
    EXPECT_NE(request.goroutine, 0U);
    roles.insert(request.role);
  }
  EXPECT_EQ(roles.size(), 2U);
  EXPECT_NE(requests->front().fd, requests->back().fd);
}

TEST_P(GoMemoryOf, its_memory_says_what_it_says_itself) {
  GoProcess process = open();
  compare_with_its_dump(process);
  check_groups(process);
  check_descriptors(process);
  check_pools(process);
  check_requests(process);
}

class GoMemoryInMotion : public GoMemoryOf {
 protected:
  void SetUp() override { build_and_start("churning"); }
};

TEST_P(GoMemoryInMotion, stacks_are_of_one_moment_or_counted_as_moving) {
  GoProcess process = open();
  Symbolizer symbolizer(x_modules);
  size_t stacks = 0, moving = 0;
  for (int i = 0; i < 30; ++i) {
    const auto list = read_goroutines(process);
    ASSERT_TRUE(list) << list.error().context;
    moving += list->moving;
    GoroutineNames names(process, *list, x_modules, symbolizer);
    for (const LiveGoroutine& goroutine : list->goroutines) {
      std::vector<std::string> own;
      for (const NamedFrame& frame : names.stack(goroutine).frames)
        if (frame.function.starts_with("main.")) own.push_back(frame.function);
      if (own.empty() || own.back() != "main.churn") continue;
      ++stacks;
      // Whoever is not yet, or no longer, in one of the two paths is in churn alone or in between.
      std::string path;
      for (const std::string& function : own) path += function.substr(5) + " ";
      const std::set<std::string> possible = {"rest left leftOuter churn ",
                                              "rest right rightOuter churn ",
                                              "left leftOuter churn ",
                                              "right rightOuter churn ",
                                              "leftOuter churn ",
                                              "rightOuter churn ",
                                              "churn "};
      const auto& whole = names.stack(goroutine).frames;
      EXPECT_TRUE(possible.contains(path))
          << path << " of " << to_string(goroutine.status) << ":\n  "
          << fmt::format("{}", fmt::join(shown(whole, 0, whole.size()), "\n  "));
    }
  }
  EXPECT_GT(stacks, 20'000U);
  EXPECT_LT(moving, stacks / 4);
}

INSTANTIATE_TEST_SUITE_P(Releases, GoMemoryInMotion,
                         testing::Values(Build{"1.20.14", "plain", ""},
                                         Build{"1.26.8", "plain", ""}),
                         [](const auto& one) {
                           std::string name = one.param.release;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

std::vector<Build> builds() {
  std::vector<Build> all;
  for (const char* release : {"1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12",
                              "1.24.10", "1.25.5", "1.26.8"}) {
    all.push_back({release, "plain", ""});
    all.push_back({release, "stripped", "-ldflags='-s -w'"});
    all.push_back({release, "pie", "-buildmode=pie -ldflags='-s -w'"});
    all.push_back({release, "dynamic", "-ldflags=-linkmode=external"});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Releases, GoMemoryOf, testing::ValuesIn(builds()), [](const auto& one) {
  std::string name = std::string(one.param.release) + "_" + one.param.name;
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace unclosed
