#include "collect/golang/free_lists.h"

#include <array>

namespace unclosed {

std::span<const FreeList> free_lists() {
  // net/http: idleConn keeps pointers behind its length, idleLRU does not.
  static constexpr std::array<FreeList, 9> kLists = {{
      {"database/sql.DB", "freeConn"},
      {"net/http.Transport", "idleLRU.ll"},
      {"github.com/jackc/puddle/v2.Pool", "idleResources"},
      {"github.com/jackc/puddle.Pool", "idleResources"},
      {"github.com/redis/go-redis/v9/internal/pool.ConnPool", "idleConns"},
      {"github.com/go-redis/redis/v8/internal/pool.ConnPool", "idleConns"},
      {"github.com/gomodule/redigo/redis.Pool", "idle.front"},
      {"github.com/bradfitz/gomemcache/memcache.Client", "freeconn"},
      {"github.com/valyala/fasthttp.HostClient", "conns"},
  }};
  return kLists;
}

std::span<const FreeList> bookkeeping() {
  static constexpr std::array<FreeList, 4> kLists = {{
      {"database/sql.DB", "dep"},
      {"net/http.Server", "activeConn"},
      {"net/http.Transport", "connsPerHost"},
      {"net/http.Transport", "reqCanceler"},
  }};
  return kLists;
}

}  // namespace unclosed
