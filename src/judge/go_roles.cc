#include "judge/go_roles.h"

#include <algorithm>
#include <array>

namespace unclosed {
namespace {

// Where callers of a pool wait, as the innermost frame outside of the runtime and package sync.
constexpr std::array<std::string_view, 8> kWaiting = {
    "database/sql.(*DB).conn",
    "github.com/jackc/puddle",
    "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn",
    "github.com/redis/go-redis/v9/internal.(*FastSemaphore).Acquire",
    "github.com/go-redis/redis/v8/internal/pool.(*ConnPool).waitTurn",
    "github.com/gomodule/redigo/redis.(*Pool).waitVacantConn",
    "go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).checkOut",
    "go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.(*pool).checkOut"};

// Packages that speak with a database in their caller's goroutine.
constexpr std::array<std::string_view, 15> kDrivers = {"database/sql.",
                                                       "github.com/lib/pq.",
                                                       "github.com/jackc/pgx",
                                                       "github.com/jackc/pgconn",
                                                       "github.com/go-sql-driver/mysql.",
                                                       "github.com/redis/go-redis/",
                                                       "github.com/go-redis/redis/",
                                                       "github.com/gomodule/redigo/",
                                                       "go.mongodb.org/mongo-driver/",
                                                       "github.com/microsoft/go-mssqldb",
                                                       "github.com/denisenkom/go-mssqldb",
                                                       "github.com/sijms/go-ora",
                                                       "github.com/ClickHouse/clickhouse-go",
                                                       "github.com/ClickHouse/ch-go",
                                                       "github.com/go-pg/pg"};

// Functions that hold a connection while they call own code: whoever is stuck below them keeps it.
constexpr std::array<std::string_view, 13> kHolding = {
    "gorm.io/gorm.(*DB).Transaction",
    "gorm.io/gorm.(*DB).Connection",
    "github.com/jackc/pgx/v5.BeginFunc",
    "github.com/jackc/pgx/v5.BeginTxFunc",
    "github.com/jackc/pgx/v5.beginFuncExec",
    "github.com/jackc/pgx/v4/pgxpool.(*Pool).BeginFunc",
    "github.com/jackc/pgx/v4/pgxpool.(*Pool).BeginTxFunc",
    "github.com/jackc/pgx/v5/pgxpool.(*Pool).AcquireFunc",
    "github.com/uptrace/bun.(*DB).RunInTx",
    "database/sql.(*Conn).Raw",
    "github.com/go-pg/pg/v10.(*DB).RunInTransaction",
    "github.com/cockroachdb/cockroach-go/v2/crdb.ExecuteTx",
    "xorm.io/xorm.(*Engine).Transaction"};

// In these database/sql has a driver at work on a connection, however the driver waits: in C, for a
// goroutine of its own, or by computing.
constexpr std::array<std::string_view, 4> kAtWork = {
    "database/sql.ctxDriver", "database/sql.rowsiFromStatement", "database/sql.resultFromStatement",
    "database/sql.(*Rows).nextLocked"};

bool begins_with_any(std::string_view function, auto&& starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view start) { return function.starts_with(start); });
}

// A function, its closures, or all of a package: "(*DB).conn" is no start of "(*DB).connector".
bool is_any(std::string_view function, auto&& names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    if (!function.starts_with(name)) return false;
    return function.size() == name.size() ||
           std::string_view("./[(").find(function[name.size()]) != std::string_view::npos;
  });
}

bool is_driver(const NamedFrame& frame) { return begins_with_any(frame.function, kDrivers); }

const NamedFrame* blocked_frame(const std::vector<NamedFrame>& stack) {
  GoroutineGroup group;
  group.stack = stack;
  const auto at = blocked_at(group);
  return at ? &stack[*at] : nullptr;
}

bool is_parked(std::string_view state) {
  for (const std::string_view one :
       {"chan ", "select", "semacquire", "sync.", "sleep", "IO wait", "finalizer wait"})
    if (state.starts_with(one)) return true;
  return false;
}

// One line of what library goroutines stand for.
struct Kind {
  std::string_view function;
  std::string_view state;  // "" any
  bool innermost;          // it must be where the goroutine waits
  std::string_view says;
  std::string_view busy = {};  // a goroutine with this function uses one of them: left out
  bool conclusive = false;
};
constexpr std::array kKinds = {
    // It waits in a select only while a body is open; an idle connection waits for bytes.
    Kind{"net/http.(*persistConn).readLoop", "select", true,
         "HTTP connections whose response body was neither read to its end nor closed",
         "net/http.(*bodyEOFSignal).Read", true},
    Kind{"net/http.(*persistConn).readLoop", "IO wait", false, "idle connections of an HTTP client",
         "net/http.(*persistConn).roundTrip"},
    Kind{"net/http.(*http2clientConnReadLoop).run", "", false,
         "HTTP/2 connections of an HTTP client"},
    Kind{"database/sql.(*DB).connectionOpener", "", true, "database/sql pools (sql.DB) not closed"},
    Kind{"github.com/go-sql-driver/mysql.(*mysqlConn).startWatcher", "", false,
         "open connections to MySQL"},
    Kind{"github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck", "", false,
         "pgx pools not closed"},
    Kind{"google.golang.org/grpc/internal/transport.(*http2Client).reader", "", false,
         "connections of gRPC clients"},
    Kind{"net/http.(*conn).serve", "", false, "HTTP connections being served"},
};

bool has_function(const GoroutineGroup& group, std::string_view function) {
  return std::any_of(group.stack.begin(), group.stack.end(),
                     [&](const NamedFrame& frame) { return frame.function.starts_with(function); });
}

bool stands_for(const Kind& kind, const GoroutineGroup& group) {
  if (!kind.state.empty() && group.state != kind.state) return false;
  if (kind.innermost) {
    const NamedFrame* frame = blocked_frame(group.stack);
    return frame != nullptr && frame->function.starts_with(kind.function);
  }
  return has_function(group, kind.function);
}

}  // namespace

bool waits_for_others(std::string_view state) {
  for (const std::string_view word :
       {"chan receive", "chan send", "semacquire", "sync.Mutex.Lock", "sync.RWMutex",
        "sync.Cond.Wait", "sync.WaitGroup.Wait", "select (no cases)"}) {
    if (state.starts_with(word)) return true;
  }
  return false;
}

const NamedFrame* own_caller(const std::vector<NamedFrame>& stack) {
  const auto is_own = [](const NamedFrame& frame) { return frame.own; };
  const auto outermost = std::find_if(stack.rbegin(), stack.rend(), is_driver).base();
  auto own =
      std::find_if(outermost == stack.begin() ? stack.end() : outermost, stack.end(), is_own);
  if (own == stack.end()) own = std::find_if(stack.begin(), stack.end(), is_own);
  return own == stack.end() ? nullptr : &*own;
}

GoRole role_of(const std::vector<NamedFrame>& stack, std::string_view state) {
  const NamedFrame* blocked = blocked_frame(stack);
  if (blocked == nullptr) return GoRole::kOther;
  if (is_any(blocked->function, kWaiting)) return GoRole::kWaitsForPool;
  const NamedFrame* caller = own_caller(stack);
  if (caller == nullptr) return GoRole::kOther;
  const auto* begin = stack.data();
  if (state == "IO wait" && std::any_of(begin, caller, is_driver)) return GoRole::kInQuery;
  const bool at_work = std::any_of(begin, caller, [](const NamedFrame& frame) {
    return begins_with_any(frame.function, kAtWork);
  });
  // A driver may be own code too, and wait there for somebody who does not come.
  if (at_work && !(blocked->own && waits_for_others(state))) return GoRole::kInQuery;
  if (!is_parked(state)) return GoRole::kOther;
  const bool held = std::any_of(stack.begin(), stack.end(), [](const NamedFrame& frame) {
    return begins_with_any(frame.function, kHolding);
  });
  // Own code that the library called.
  if (held && blocked->own) return GoRole::kStuckHolding;
  // In a library below own code it may wait for anything: for work, for a client.
  return blocked->own ? GoRole::kParkedInOwn : GoRole::kOther;
}

std::vector<StandIn> stand_ins(const std::vector<GoroutineGroup>& groups) {
  std::vector<StandIn> out;
  for (const Kind& kind : kKinds) {
    uint64_t count = 0, busy = 0;
    for (const GoroutineGroup& group : groups) {
      if (stands_for(kind, group)) count += group.count;
      if (!kind.busy.empty() && has_function(group, kind.busy)) busy += group.count;
    }
    count -= std::min(count, busy);
    if (count > 0) out.push_back({std::string(kind.says), count, kind.conclusive});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const StandIn& a, const StandIn& b) { return a.count > b.count; });
  return out;
}

}  // namespace unclosed
