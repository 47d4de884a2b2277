// Builds a Go program whose pools have connections that were given back and connections that are
// borrowed for good, with the oldest and the newest releases of the libraries whose free lists are
// known, and asks which of them are free: at rest, and while others borrow and give back. Needs the
// go command and its module proxy; what it cannot fetch is skipped, aloud.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "cli/holder_names.h"
#include "collect/golang/goroutine_reader.h"
#include "collect/golang/holders.h"

namespace unclosed {
namespace {

struct Build {
  std::string name;
  const char* go;
  bool stripped;
  size_t pools;
  std::vector<const char*> sources;  // beside main.go
  std::vector<const char*> libraries;
};

void PrintTo(const Build& build, std::ostream* out) { *out << build.name; }

// The program, built and started; what it says of its connections.
class Program {
 public:
  explicit Program(const Build& build) : x_build(build) {
    std::string folder = std::filesystem::temp_directory_path() / "unclosed-pools-XXXXXX";
    if (::mkdtemp(folder.data()) != nullptr) x_folder = folder;
  }
  Program(const Program&) = delete;
  ~Program() {
    if (x_child > 0) {
      ::kill(x_child, SIGKILL);
      ::waitpid(x_child, nullptr, 0);
    }
    std::filesystem::remove_all(x_folder);
  }

  // Why it cannot be tried here; "" when it can.
  std::string make() {
    const auto from = std::filesystem::path(UNCLOSED_SOURCE_DIR) / "src/cli/testdata/pools";
    std::filesystem::copy_file(from / "main.go", x_folder / "main.go");
    for (const char* one : x_build.sources)
      std::filesystem::copy_file(from / one, x_folder / one);
    std::ofstream module(x_folder / "go.mod");
    module << "module example/pools\n\ngo 1.18\n\nrequire (\n";
    for (const char* one : x_build.libraries) module << '\t' << one << '\n';
    module << ")\n";
    module.close();
    const std::string go =
        fmt::format("cd {} && CGO_ENABLED=0 GODEBUG=goindex=0 GOFLAGS=-mod=mod ",
                    x_folder.string()) +
        fmt::format("GOTOOLCHAIN=go{} go ", x_build.go);
    if (std::system((go + "mod download >said 2>&1").c_str()) != 0)
      return fmt::format("go{} or a library cannot be fetched", x_build.go);
    const std::string flags = x_build.stripped ? "-ldflags='-s -w'" : "";
    if (std::system((go + "build " + flags + " -o pools . >said 2>&1").c_str()) != 0) {
      std::ifstream said(x_folder / "said");
      ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(said), {});
    }
    return "";
  }

  void start() {
    std::array<int, 2> in{}, out{};
    ASSERT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    x_child = ::fork();
    if (x_child == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      const std::string program = x_folder / "pools";
      ::execl(program.c_str(), program.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    x_input = in[1];
    x_output = ::fdopen(out[0], "r");
    ASSERT_NO_FATAL_FAILURE(wait_for("ready"));
  }
  void use() {
    if (x_used) return;
    x_used = true;
    ASSERT_EQ(::write(x_input, "\n", 1), 1);
    ASSERT_NO_FATAL_FAILURE(wait_for("used"));
  }

  Result<HeldReport> ask() {
    const auto process = ProcFs().identify(x_child);
    if (!process) return process.error();
    auto opened = GoProcess::open(*process, x_modules);
    if (!opened) return opened.error();
    const auto list = read_goroutines(*opened);
    if (!list) return list.error();
    Symbolizer symbolizer(x_modules);
    HolderNamesOf names(*opened, x_modules, symbolizer);
    std::vector<int> fds;
    for (const auto& one : x_connections) fds.push_back(one.fd);
    return holders_of(*opened, *list, fds, names);
  }

  struct Connection {
    std::string pool;
    bool idle = false;
    int fd = -1;
  };
  const std::vector<Connection>& connections() const { return x_connections; }

 private:
  void wait_for(const std::string& what) {
    std::array<char, 128> line{};
    while (std::fgets(line.data(), line.size(), x_output) != nullptr) {
      std::istringstream words(line.data());
      std::string pool, kind;
      int fd = -1;
      words >> pool;
      if (pool == what) return;
      words >> kind >> fd;
      x_connections.push_back({pool, kind == "idle", fd});
    }
    FAIL() << "it ended before it was " << what;
  }

  Build x_build;
  std::filesystem::path x_folder;
  pid_t x_child = -1;
  int x_input = -1;
  FILE* x_output = nullptr;
  bool x_used = false;
  std::vector<Connection> x_connections;
  ModuleStore x_modules;
};

class FreeListsOf : public testing::TestWithParam<Build> {
 protected:
  void SetUp() override {
    x_program = std::make_unique<Program>(GetParam());
    const std::string cannot = x_program->make();
    if (!cannot.empty()) GTEST_SKIP() << cannot;
    ASSERT_NO_FATAL_FAILURE(x_program->start());
  }

  std::unique_ptr<Program> x_program;
};

const std::map<std::string, std::string> kLists = {
    {"http", "net/http.Transport.idleConn"},
    {"unread", "net/http.Transport.idleConn"},
    {"http2", "net/http.http2clientConnPool.conns"},
    {"mysql", "database/sql.DB.freeConn"},
    {"pgx5", "github.com/jackc/puddle/v2.Pool.idleResources"},
    {"puddle2", "github.com/jackc/puddle/v2.Pool.idleResources"},
    {"pgx4", "github.com/jackc/puddle.Pool.idleResources"},
    {"redis8", "github.com/go-redis/redis/v8/internal/pool.ConnPool.idleConns"},
    {"redis9", "github.com/redis/go-redis/v9/internal/pool.ConnPool.idleConns"},
    {"redigo", "github.com/gomodule/redigo/redis.Pool.idle"},
    {"memcache", "github.com/bradfitz/gomemcache/memcache.Client.freeconn"},
    {"mongo1", "go.mongodb.org/mongo-driver/x/mongo/driver/topology.pool.idleConns"},
    {"mongo2", "go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.pool.idleConns"},
};

TEST_P(FreeListsOf, what_was_given_back_is_free_and_what_is_borrowed_never_is) {
  // At rest all that was given back is told, and nothing else.
  const auto report = x_program->ask();
  ASSERT_TRUE(report) << report.error().context;
  std::set<std::string> pools;
  for (const auto& one : x_program->connections()) {
    const auto held = std::find_if(report->held.begin(), report->held.end(),
                                   [&](const Held& other) { return other.fd == one.fd; });
    ASSERT_NE(held, report->held.end());
    pools.insert(one.pool);
    if (one.idle) {
      EXPECT_EQ(held->free_list, kLists.at(one.pool)) << one.fd << ' ' << held->why;
      EXPECT_EQ(held->in_pool, InPool::kFree) << one.pool;
      continue;
    }
    EXPECT_EQ(held->free_list, "") << one.pool;
    // What redigo lends is not known to its pool.
    EXPECT_EQ(held->in_pool, one.pool == "redigo" ? InPool::kNoPool : InPool::kLent) << one.pool;
  }
  EXPECT_EQ(pools.size(), GetParam().pools);

  // While others borrow and give back, some are seen in every pool, and never a borrowed one.
  ASSERT_NO_FATAL_FAILURE(x_program->use());
  std::set<std::string> seen;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  int times = 0;
  for (; std::chrono::steady_clock::now() < end || times < 10; ++times) {
    const auto now = x_program->ask();
    ASSERT_TRUE(now) << now.error().context;
    for (const auto& one : x_program->connections()) {
      const auto held = std::find_if(now->held.begin(), now->held.end(),
                                     [&](const Held& other) { return other.fd == one.fd; });
      ASSERT_NE(held, now->held.end());
      if (one.idle && held->in_pool == InPool::kFree) seen.insert(one.pool);
      if (!one.idle) {
        EXPECT_EQ(held->free_list, "") << one.pool << " at look " << times;
      }
    }
  }
  RecordProperty("looks", times);
  RecordProperty("pools_seen_in_use", static_cast<int>(seen.size()));
}

std::vector<Build> builds() {
  const std::vector<const char*> all = {
      "http.go",     "mysql.go",  "postgres.go", "pgx4.go",   "pgx5.go",
      "puddle2.go",  "resp.go",   "redis8.go",   "redis9.go", "redigo.go",
      "memcache.go", "mongo1.go", "mongo2.go",   "mongo_server.go"};
  return {
      {"oldest",
       "1.20.14",
       false,
       13,
       all,
       {"github.com/jackc/pgx/v5 v5.3.0", "github.com/jackc/pgx/v4 v4.5.0",
        "github.com/jackc/puddle/v2 v2.2.0", "github.com/jackc/puddle v1.1.0",
        "github.com/redis/go-redis/v9 v9.0.0", "github.com/go-redis/redis/v8 v8.4.0",
        "github.com/bradfitz/gomemcache v0.0.0-20190913173617-a41fca850d0b",
        "github.com/gomodule/redigo v1.8.2", "github.com/go-sql-driver/mysql v1.5.0",
        "go.mongodb.org/mongo-driver v1.8.3", "go.mongodb.org/mongo-driver/v2 v2.0.0"}},
      {"newest",
       "1.26.8",
       true,
       13,
       all,
       {"github.com/jackc/pgx/v5 v5.13.0", "github.com/jackc/pgx/v4 v4.18.3",
        "github.com/jackc/puddle/v2 v2.2.3", "github.com/jackc/puddle v1.3.0",
        "github.com/redis/go-redis/v9 v9.23.0", "github.com/go-redis/redis/v8 v8.11.5",
        "github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c",
        "github.com/gomodule/redigo v1.9.3", "github.com/go-sql-driver/mysql v1.10.1",
        "go.mongodb.org/mongo-driver v1.17.10", "go.mongodb.org/mongo-driver/v2 v2.10.0"}},
      // The oldest of Go itself, and of puddle, which pgx would not have.
      {"go_1_18",
       "1.18.10",
       true,
       4,
       {"http.go", "mysql.go"},
       {"github.com/go-sql-driver/mysql v1.5.0"}},
      {"puddle_2_1",
       "1.22.12",
       false,
       2,
       {"resp.go", "redis9.go", "puddle2.go"},
       {"github.com/jackc/puddle/v2 v2.1.2", "github.com/redis/go-redis/v9 v9.14.1"}},
      // go-redis has a line for each way to keep a connection's state.
      {"redis_9_16",
       "1.26.8",
       false,
       1,
       {"resp.go", "redis9.go"},
       {"github.com/redis/go-redis/v9 v9.16.0"}},
      {"redis_9_17",
       "1.26.8",
       false,
       1,
       {"resp.go", "redis9.go"},
       {"github.com/redis/go-redis/v9 v9.17.0"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Releases, FreeListsOf, testing::ValuesIn(builds()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace unclosed
