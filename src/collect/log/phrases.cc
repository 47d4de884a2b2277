#include "collect/log/phrases.h"

#include <algorithm>
#include <bitset>
#include <deque>
#include <string>

#include "base/check.h"

namespace unclosed {
namespace {

constexpr auto kPool = Trouble::kPoolExhausted;
constexpr auto kServer = Trouble::kServerFull;
constexpr auto kFiles = Trouble::kDescriptorsExhausted;
constexpr auto kPorts = Trouble::kPortsExhausted;
constexpr auto kLeak = Trouble::kLeakReported;
constexpr auto kIdle = Trouble::kIdleInTransaction;
constexpr auto kLate = Trouble::kDeadline;
constexpr auto kStatement = Trouble::kStatementTimeout;
constexpr auto kClosed = Trouble::kUseAfterClose;
constexpr auto kRows = Trouble::kRowsClosed;
constexpr auto kBusy = Trouble::kConnectionBusy;
constexpr auto kBad = Trouble::kBadConnection;
constexpr auto kPanic = Trouble::kHandlerPanic;
constexpr auto kMemory = Trouble::kOutOfMemory;

const Phrase kPhrases[] = {
    // Pools of clients.
    {"connection is not available, request timed out after", kPool, "HikariCP"},
    {"maxactive", kPool, "Druid", "wait millis"},
    {"pool empty. unable to fetch a connection", kPool, "Tomcat JDBC"},
    {"cannot get a connection, pool error timeout waiting for idle object", kPool, "DBCP"},
    {"an attempt by a client to checkout a connection has timed out", kPool, "c3p0"},
    {"timeout waiting for connection from pool", kPool, "Apache HttpClient"},
    {"could not get a resource from the pool", kPool, "Jedis"},
    {"could not get a resource since the pool is exhausted", kPool, "Jedis"},
    {"connection acquisition timed out after", kPool, "R2DBC"},
    {"has been pending for more than the configured timeout", kPool, "Reactor Netty"},
    {"queuepool limit of size", kPool, "SQLAlchemy"},
    {"connection pool exhausted", kPool, "psycopg, redigo"},
    {"couldn't get a connection after", kPool, "psycopg_pool"},
    {"timed out while checking out a connection from connection pool", kPool, "MongoDB driver"},
    {"knex: timeout acquiring a connection", kPool, "Knex"},
    {"sequelizeconnectionacquiretimeouterror", kPool, "Sequelize"},
    {"resourcerequest timed out", kPool, "generic-pool"},
    {"timeout exceeded when trying to connect", kPool, "node-postgres"},
    {"timed out fetching a new connection from the connection pool", kPool, "Prisma"},
    {"pool timed out while waiting for an open connection", kPool, "sqlx"},
    {"timed out waiting for connection", kPool, "r2d2"},
    {"timeout occurred while waiting for a slot to become available", kPool, "deadpool"},
    {"redis: connection pool timeout", kPool, "go-redis"},
    {"could not obtain a connection from the pool within", kPool, "ActiveRecord"},
    {"all pooled connections were in use", kPool, "ActiveRecord"},
    // Servers.
    {"sorry, too many clients already", kServer, "PostgreSQL"},
    {"remaining connection slots are reserved", kServer, "PostgreSQL"},
    {"too many connections", kServer, "MySQL, PostgreSQL, MongoDB"},
    {"er_con_count_error", kServer, "MySQL"},
    {"max_user_connections", kServer, "MySQL"},
    {"max number of clients reached", kServer, "Redis"},
    {"no more connections allowed", kServer, "PgBouncer"},
    {"query_wait_timeout", kServer, "PgBouncer"},
    {"max clients reached", kServer, "Supavisor, PgBouncer"},
    {"too many open connections", kServer, "MongoDB"},
    {"ora-12519", kServer, "Oracle"},
    {"ora-00020", kServer, "Oracle"},
    // The system.
    {"too many open files", kFiles, "the system"},
    {"emfile", kFiles, "Node.js"},
    {"enfile", kFiles, "Node.js"},
    {"errno 24", kFiles, "Python"},
    {"os error 24", kFiles, "Rust"},
    {"no file descriptors available", kFiles, "musl"},
    {"cannot assign requested address", kPorts, "the system", {}, "listen"},
    {"eaddrnotavail", kPorts, "Node.js", {}, "listen"},
    {"os error 99", kPorts, "Rust", {}, "listen"},
    // Those who look for leaks themselves.
    {"apparent connection leak detected", kLeak, "HikariCP"},
    {"abandon connection, owner thread", kLeak, "Druid"},
    {"connection has been abandoned", kLeak, "Tomcat JDBC"},
    {"by the following code has not been returned to the pool", kLeak, "DBCP"},
    {"overdue resource check-out stack trace", kLeak, "c3p0"},
    {"did you forget to close a response body", kLeak, "OkHttp"},
    {"resourcewarning: unclosed", kLeak, "Python"},
    {"unclosed client session", kLeak, "aiohttp"},
    {"trying to clean up non-checked-in connection", kLeak, "SQLAlchemy"},
    {"was returned to the pool (unleaked)", Trouble::kLeakTakenBack, "HikariCP"},
    {"terminating connection due to idle-in-transaction timeout", kIdle, "PostgreSQL"},
    {"idle transaction timeout", kIdle, "PgBouncer"},
    // Time.
    {"context deadline exceeded", kLate, "Go"},
    {"i/o timeout", kLate, "Go"},
    {"client.timeout exceeded while awaiting headers", kLate, "Go"},
    {"sockettimeoutexception", kLate, "Java"},
    {"etimedout", kLate, "Node.js"},
    {"upstream timed out", kLate, "nginx"},
    {"canceling statement due to statement timeout", kStatement, "PostgreSQL"},
    {"canceling statement due to lock timeout", kStatement, "PostgreSQL"},
    {"lock wait timeout exceeded", kStatement, "MySQL"},
    {"maximum statement execution time exceeded", kStatement, "MySQL"},
    // Use of what is closed or broken.
    {"sql: database is closed", kClosed, "database/sql"},
    {"sql: connection is already closed", kClosed, "database/sql"},
    {"sql: transaction has already been committed or rolled back", kClosed, "database/sql"},
    {"closed pool", kClosed, "pgx"},
    {"pool is closed", kClosed, "pools of several languages"},
    {"cannot use a pool after calling end on the pool", kClosed, "node-postgres"},
    {"redis: client is closed", kClosed, "go-redis"},
    {"use of closed network connection", kClosed, "Go"},
    {"this connection has been closed", kClosed, "PostgreSQL JDBC"},
    {"no operations allowed after connection closed", kClosed, "MySQL Connector/J"},
    {"rows are closed", kRows, "database/sql"},
    {"operation not allowed after resultset closed", kRows, "MySQL Connector/J"},
    {"this resultset is closed", kRows, "PostgreSQL JDBC"},
    {"conn busy", kBusy, "pgx"},
    {"busy buffer", kBusy, "go-sql-driver/mysql"},
    {"commands out of sync", kBusy, "MySQL"},
    {"another command is already in progress", kBusy, "libpq"},
    {"another operation is in progress", kBusy, "asyncpg"},
    {"driver: bad connection", kBad, "database/sql"},
    {"invalid connection", kBad, "go-sql-driver/mysql", "mysql"},
    // Ends.
    {"http: panic serving", kPanic, "net/http"},
    {"panic recovered", kPanic, "Gin"},
    {"[panic recover]", kPanic, "Echo"},
    {"runtime: out of memory", kMemory, "Go"},
    {"java.lang.outofmemoryerror", kMemory, "Java"},
    {"javascript heap out of memory", kMemory, "Node.js"},
    {"out of memory: killed process", kMemory, "Linux"},
    {"oomkilled", kMemory, "Kubernetes"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_word(char c) {
  c = lower(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool holds(std::string_view line, std::string_view words) {
  const auto same = [](char a, char b) { return lower(a) == lower(b); };
  return std::search(line.begin(), line.end(), words.begin(), words.end(), same) != line.end();
}

bool whole_words(const Phrase& phrase, std::string_view line, size_t end) {
  const size_t start = end - phrase.words.size();
  if (start > 0 && is_word(line[start - 1]) && is_word(line[start])) return false;
  return end >= line.size() || !is_word(line[end]) || !is_word(line[end - 1]);
}

bool company_fits(const Phrase& phrase, std::string_view line) {
  if (!phrase.also.empty() && !holds(line, phrase.also)) return false;
  return phrase.unless.empty() || !holds(line, phrase.unless);
}

}  // namespace

std::span<const Phrase> phrases() { return kPhrases; }

const PhraseFinder& PhraseFinder::instance() {
  static const PhraseFinder finder;
  return finder;
}

// The automaton of Aho and Corasick, with all transitions filled in.
PhraseFinder::PhraseFinder() {
  uint8_t signs = 0;
  for (const Phrase& phrase : kPhrases) {
    for (const char c : phrase.words) {
      auto& sign = x_sign[static_cast<unsigned char>(c)];
      if (sign == 0) sign = ++signs;
    }
  }
  CHECK(signs < kSigns);
  for (char c = 'A'; c <= 'Z'; ++c)
    x_sign[static_cast<unsigned char>(c)] = x_sign[static_cast<unsigned char>(lower(c))];
  x_nodes.emplace_back();
  for (size_t i = 0; i < std::size(kPhrases); ++i) {
    uint16_t at = 0;
    for (const char c : kPhrases[i].words) {
      const uint8_t sign = x_sign[static_cast<unsigned char>(c)];
      if (x_nodes[at].next[sign] == 0) {
        CHECK(x_nodes.size() < UINT16_MAX);
        x_nodes[at].next[sign] = static_cast<uint16_t>(x_nodes.size());
        x_nodes.emplace_back();
      }
      at = x_nodes[at].next[sign];
    }
    x_nodes[at].phrase = static_cast<int16_t>(i);
  }
  link();
}

void PhraseFinder::link() {
  std::vector<uint16_t> end_of(x_nodes.size(), 0);
  std::deque<uint16_t> queue;
  for (const uint16_t child : x_nodes[0].next) {
    if (child != 0) queue.push_back(child);
  }
  while (!queue.empty()) {
    const uint16_t at = queue.front();
    queue.pop_front();
    const uint16_t end = end_of[at];
    x_nodes[at].shorter = x_nodes[end].phrase >= 0 ? end : x_nodes[end].shorter;
    for (size_t sign = 0; sign < kSigns; ++sign) {
      uint16_t& next = x_nodes[at].next[sign];
      if (next == 0) {
        next = x_nodes[end].next[sign];
      } else {
        end_of[next] = x_nodes[end].next[sign];
        queue.push_back(next);
      }
    }
  }
}

void PhraseFinder::find(std::string_view line,
                        const std::function<void(const Phrase&)>& found) const {
  static_assert(kTroubles <= 32);
  uint32_t seen = 0;
  std::bitset<std::size(kPhrases)> unfit;  // each is weighed once a line
  uint16_t at = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    at = x_nodes[at].next[x_sign[static_cast<unsigned char>(line[i])]];
    if (at == 0) continue;
    for (uint16_t end = x_nodes[at].phrase >= 0 ? at : x_nodes[at].shorter; end != 0;
         end = x_nodes[end].shorter) {
      const Phrase& phrase = kPhrases[x_nodes[end].phrase];
      const uint32_t bit = 1U << static_cast<unsigned>(phrase.kind);
      const auto index = static_cast<size_t>(x_nodes[end].phrase);
      if ((seen & bit) != 0 || unfit[index] || !whole_words(phrase, line, i + 1)) continue;
      if (!company_fits(phrase, line)) {
        unfit.set(index);
        continue;
      }
      seen |= bit;
      found(phrase);
    }
  }
}

}  // namespace unclosed
