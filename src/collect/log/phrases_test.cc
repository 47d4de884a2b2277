#include "collect/log/phrases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace unclosed {
namespace {

std::string kinds_in(const std::string& line) {
  const auto& finder = PhraseFinder::instance();
  std::set<std::string> kinds;
  finder.find(line, [&](const Phrase& phrase) { kinds.emplace(to_string(phrase.kind)); });
  std::string out;
  for (const auto& kind : kinds) out += (out.empty() ? "" : " ") + kind;
  return out;
}

TEST(Phrases, lines_of_real_logs_are_known) {
  const std::pair<const char*, const char*> kLines[] = {
      {"pq: sorry, too many clients already", "server-full"},
      {"FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
       "server-full"},
      {"Error 1040 (08004): Too many connections", "server-full"},
      {"ERR max number of clients reached", "server-full"},
      {"java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, "
       "request "
       "timed out after 30001ms (total=10, active=10, idle=0, waiting=3)",
       "pool-exhausted"},
      {"sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection "
       "timed "
       "out, timeout 30.00",
       "pool-exhausted"},
      {"KnexTimeoutError: Knex: Timeout acquiring a connection. The pool is probably full.",
       "pool-exhausted"},
      {"redis: connection pool timeout", "pool-exhausted"},
      {"pool timed out while waiting for an open connection", "pool-exhausted"},
      {"wait millis 60000, active 20, maxActive 20, creating 0", "pool-exhausted"},
      {"http: Accept error: accept tcp [::]:80: accept4: too many open files; retrying in 5ms",
       "descriptors-exhausted"},
      {"dial tcp 10.0.0.1:5432: socket: too many open files", "descriptors-exhausted"},
      {"Error: connect EMFILE 10.0.0.1:5432", "descriptors-exhausted"},
      {"OSError: [Errno 24] Too many open files: '/x'", "descriptors-exhausted"},
      {"Os { code: 24, kind: Uncategorized, message: \"No file descriptors available\" }",
       "descriptors-exhausted"},
      {"dial tcp 10.0.0.1:80: connect: cannot assign requested address", "ports-exhausted"},
      {"listen tcp 10.9.9.9:80: bind: cannot assign requested address", ""},
      {"java.lang.Exception: Apparent connection leak detected", "leak-reported"},
      {"abandon connection, owner thread: exec-5, connected at : 1732156800000, open stackTrace",
       "leak-reported"},
      {"/app/x.py:12: ResourceWarning: unclosed <socket.socket fd=5>", "leak-reported"},
      {"conn0 on thread http-1 was returned to the pool (unleaked)", "leak-taken-back"},
      {"get orders: context deadline exceeded", "deadline"},
      {"sql: database is closed", "use-after-close"},
      {"sql: Rows are closed", "rows-closed"},
      {"driver: bad connection", "bad-connection"},
      {"conn busy", "connection-busy"},
      {"pq: canceling statement due to statement timeout", "statement-timeout"},
      {"FATAL:  terminating connection due to idle-in-transaction timeout", "idle-in-transaction"},
      {"http: panic serving 10.0.0.9:5: boom", "handler-panic"},
      {"fatal error: runtime: out of memory", "out-of-memory"},
      {"context deadline exceeded (Client.Timeout exceeded while awaiting headers)", "deadline"},
      {"too many open files; context deadline exceeded", "deadline descriptors-exhausted"},
      // Innocent ones.
      {"systemfile written, emfiles none, maxActive=5 configured", ""},
      {"invalid connection string", ""},
      {"", ""},
  };
  for (const auto& [line, kinds] : kLines) EXPECT_EQ(kinds_in(line), kinds) << line;
}

TEST(Phrases, each_phrase_is_found_by_itself) {
  const auto& finder = PhraseFinder::instance();
  for (const Phrase& one : phrases()) {
    bool found = false;
    const std::string line = "x: " + std::string(one.words) + " " + std::string(one.also);
    finder.find(line, [&](const Phrase& phrase) { found = found || phrase.kind == one.kind; });
    EXPECT_TRUE(found) << one.words;
    // The table is searched in lower case.
    EXPECT_EQ(std::string(one.words).find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace unclosed
