#include "collect/golang/pool_layouts.h"

#include <array>

namespace unclosed {
namespace {

constexpr PoolReleases kGo = {"", {1, 18}, {1, 26}};

PoolLayout database_sql() {
  return {.releases = kGo,
          .pool = "database/sql.DB",
          .lock = "mu",
          .lists = {"freeConn[]"},
          .every = "",
          .connection = "ci",
          .back = "db",
          .idle = {{"inUse", 0}, {"closed", 0}, {"dbmuClosed", 0}},
          .entry_lock = "",
          .count = ""};
}

// What serves HTTP/2 stays in this list while requests are under way: `alt` tells it.
PoolLayout net_http() {
  return {.releases = kGo,
          .pool = "net/http.Transport",
          .lock = "idleMu",
          .lists = {"idleConn[][]"},
          .every = "",
          .connection = "conn",
          .back = "t",
          .idle = {{"alt", 0}, {"closed", 0}, {"numExpectedResponses", 0}},
          .entry_lock = "mu",
          .count = ""};
}

// The list has every connection; one without a stream is idle.
PoolLayout net_http2(PoolReleases releases, std::string_view pool, std::string_view back) {
  return {.releases = releases,
          .pool = pool,
          .lock = "mu",
          .lists = {"conns[][]"},
          .every = "conns[][]",
          .connection = "tconn",
          .back = back,
          .idle = {{"streams", 0},
                   {"streamsReserved", 0},
                   {"pendingRequests", 0},
                   {"closing", 0},
                   {"closed", 0}},
          .entry_lock = "mu",
          .count = ""};
}

// pgxpool keeps its connections in a puddle, too.
PoolLayout puddle(PoolReleases releases, std::string_view pool, std::string_view lock,
                  std::vector<std::string_view> lists) {
  return {.releases = releases,
          .pool = pool,
          .lock = lock,
          .lists = std::move(lists),
          .every = "allResources[]",
          .connection = "value",
          .back = "pool",
          .idle = {{"status", 1}},
          .entry_lock = "",
          .count = ""};
}

PoolLayout go_redis(PoolReleases releases, std::string_view pool, std::string_view connection,
                    std::vector<PoolFact> idle) {
  return {.releases = releases,
          .pool = pool,
          .lock = "connsMu",
          .lists = {"idleConns[]"},
          .every = "conns[]",
          .connection = connection,
          .back = "",
          .proof = PoolProof::kInterface,
          .idle = std::move(idle),
          .entry_lock = "",
          .count = ""};
}

PoolLayout redigo() {
  return {.releases = {"github.com/gomodule/redigo", {1, 8}, {1, 9}},
          .pool = "github.com/gomodule/redigo/redis.Pool",
          .lock = "mu",
          .lists = {"idle.front~next"},
          .every = "",
          .connection = "c",
          .back = "",
          .proof = PoolProof::kOwnInterface,
          .idle = {},
          .entry_lock = "",
          .count = "idle.count"};
}

// Its releases have no numbers; the lock was renamed.
PoolLayout gomemcache(std::string_view lock) {
  return {.releases = {"github.com/bradfitz/gomemcache", {0, 0}, {0, 0}},
          .pool = "github.com/bradfitz/gomemcache/memcache.Client",
          .lock = lock,
          .lists = {"freeconn[][]"},
          .every = "",
          .connection = "nc",
          .back = "c",
          .idle = {},
          .entry_lock = "",
          .count = ""};
}

PoolLayout mongo(PoolReleases releases, std::string_view pool) {
  return {.releases = releases,
          .pool = pool,
          .lock = "idleMu",
          .lists = {"idleConns[]"},
          .every = "conns[]",
          .connection = "nc",
          .back = "pool",
          .idle = {},
          .entry_lock = "",
          .count = ""};
}

std::vector<PoolLayout> make_layouts() {
  constexpr std::string_view kRedis8 = "github.com/go-redis/redis/v8";
  constexpr std::string_view kRedis8Pool = "github.com/go-redis/redis/v8/internal/pool.ConnPool";
  constexpr std::string_view kRedis9 = "github.com/redis/go-redis/v9";
  constexpr std::string_view kRedis9Pool = "github.com/redis/go-redis/v9/internal/pool.ConnPool";
  constexpr uint64_t kIdleState = 2;  // of go-redis's machine of states
  std::vector<PoolLayout> all;
  all.push_back(database_sql());
  all.push_back(net_http());
  all.push_back(net_http2(kGo, "net/http.http2clientConnPool",
                          "t.connPoolOrDef.http2clientConnPool"));
  all.push_back(puddle({"github.com/jackc/puddle/v2", {2, 1}, {2, 2}},
                       "github.com/jackc/puddle/v2.Pool", "mux",
                       {"idleResources.old.arr[]", "idleResources.new.arr[]"}));
  all.push_back(puddle({"github.com/jackc/puddle", {1, 1}, {1, 3}}, "github.com/jackc/puddle.Pool",
                       "cond.L", {"idleResources[]"}));
  all.push_back(go_redis({kRedis8, {8, 4}, {8, 11}}, kRedis8Pool, "netConn", {{"pooled", 1}}));
  all.push_back(go_redis({kRedis9, {9, 0}, {9, 14}}, kRedis9Pool, "netConn", {{"pooled", 1}}));
  all.push_back(go_redis({kRedis9, {9, 16}, {9, 16}}, kRedis9Pool, "netConnAtomic.v.conn",
                         {{"pooled", 1}, {"used.v", 0}}));
  all.push_back(go_redis({kRedis9, {9, 17}, {9, 23}}, kRedis9Pool, "netConnAtomic.v.conn",
                         {{"pooled", 1}, {"stateMachine.state", kIdleState}}));
  all.push_back(redigo());
  all.push_back(gomemcache("lk"));
  all.push_back(gomemcache("mu"));
  all.push_back(mongo({"go.mongodb.org/mongo-driver", {1, 8}, {1, 17}},
                      "go.mongodb.org/mongo-driver/x/mongo/driver/topology.pool"));
  all.push_back(mongo({"go.mongodb.org/mongo-driver/v2", {2, 0}, {2, 10}},
                      "go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.pool"));
  return all;
}

}  // namespace

std::span<const PoolLayout> pool_layouts() {
  static const std::vector<PoolLayout> kLayouts = make_layouts();
  return kLayouts;
}

std::span<const Bookkeeping> bookkeeping() {
  static constexpr std::array<Bookkeeping, 4> kFields = {{
      {"database/sql.DB", "dep"},
      {"net/http.Server", "activeConn"},
      {"net/http.Transport", "connsPerHost"},
      {"net/http.Transport", "reqCanceler"},
  }};
  return kFields;
}

}  // namespace unclosed
