#include "collect/log/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collect/log/pool_lines.h"

namespace unclosed {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(Counters, prometheus_text_of_go_sql_is_read_by_database) {
  const auto counters = read_prometheus(
      "# HELP go_sql_in_use_connections The number of connections currently in use.\n"
      "# TYPE go_sql_in_use_connections gauge\n"
      "go_sql_in_use_connections{db_name=\"orders\"} 50\n"
      "go_sql_in_use_connections{db_name=\"users\"} 1\n"
      "go_sql_idle_connections{db_name=\"orders\"} 0\n"
      "go_sql_max_open_connections{db_name=\"orders\"} 50\n"
      "go_sql_max_open_connections{db_name=\"users\"} 0\n"
      "go_sql_open_connections{db_name=\"orders\"} 50\n"
      "go_sql_wait_count_total{db_name=\"orders\"} 731\n"
      "go_sql_wait_duration_seconds_total{db_name=\"orders\"} 1.5e+03\n"
      "process_open_fds 812\nprocess_max_fds 1024\ngo_goroutines 901\n");
  ASSERT_THAT(counters.pools, SizeIs(2));
  const auto& orders = counters.pools[0];
  EXPECT_EQ(orders.name, "orders");
  EXPECT_EQ(orders.in_use, 50);
  EXPECT_EQ(orders.max, 50);
  EXPECT_EQ(orders.wait_count, 731);
  EXPECT_EQ(orders.wait_seconds, 1500);
  EXPECT_FALSE(counters.pools[1].max) << "a bound of 0 is none";
  EXPECT_EQ(counters.process.open_descriptors, 812);
  EXPECT_EQ(counters.process.max_descriptors, 1024);
  EXPECT_EQ(counters.process.goroutines, 901);
}

TEST(Counters, hikari_pgxpool_and_opentelemetry_are_read) {
  const auto hikari = read_prometheus(
      "hikaricp_connections{pool=\"HikariPool-1\",} 10.0\n"
      "hikaricp_connections_active{pool=\"HikariPool-1\",} 10.0\n"
      "hikaricp_connections_idle{pool=\"HikariPool-1\",} 0.0\n"
      "hikaricp_connections_max{pool=\"HikariPool-1\",} 10.0\n"
      "hikaricp_connections_pending{pool=\"HikariPool-1\",} 7.0\n"
      "hikaricp_connections_usage_seconds_count{pool=\"HikariPool-1\",} 1200.0\n"
      "hikaricp_connections_usage_seconds_sum{pool=\"HikariPool-1\",} 24.0\n"
      "hikaricp_connections_timeout_total{pool=\"HikariPool-1\",} 3.0\n");
  ASSERT_THAT(hikari.pools, SizeIs(1));
  EXPECT_EQ(hikari.pools[0].waiting, 7);
  EXPECT_EQ(hikari.pools[0].uses, 1200);
  EXPECT_EQ(hikari.pools[0].timeouts, 3);
  const auto pgx = read_prometheus(
      "pgxpool_acquired_conns{db=\"a\"} 4\npgxpool_max_conns{db=\"a\"} "
      "4\npgxpool_idle_conns{db=\"a\"} "
      "0\npgxpool_total_conns{db=\"a\"} 4\npgxpool_acquire_duration_ns{db=\"a\"} 2e9\n"
      "pgxpool_empty_acquire_count{db=\"a\"} 9\n");
  ASSERT_THAT(pgx.pools, SizeIs(1));
  EXPECT_EQ(pgx.pools[0].wait_count, 9);
  EXPECT_EQ(pgx.pools[0].in_use, 4);
  EXPECT_EQ(pgx.pools[0].wait_seconds, 2);
  const auto otel = read_prometheus(
      "db_client_connection_count{db_client_connection_pool_name=\"p\",state=\"used\"} 5\n"
      "db_client_connection_count{db_client_connection_pool_name=\"p\",state=\"idle\"} 2\n"
      "db_client_connection_max{db_client_connection_pool_name=\"p\"} 8\n"
      "db_client_connection_pending_requests{db_client_connection_pool_name=\"p\"} 0\n"
      "db_client_connection_timeouts_total{db_client_connection_pool_name=\"p\"} 1\n");
  ASSERT_THAT(otel.pools, SizeIs(1));
  EXPECT_EQ(otel.pools[0].name, "p");
  EXPECT_EQ(otel.pools[0].in_use, 5);
  EXPECT_EQ(otel.pools[0].idle, 2);
  EXPECT_EQ(otel.pools[0].open, 7);
  EXPECT_EQ(otel.pools[0].max, 8);
  EXPECT_EQ(otel.pools[0].timeouts, 1);
}

TEST(Counters, lines_that_are_none_are_passed_over) {
  const auto counters = read_prometheus(
      "go_sql_in_use_connections{db_name=\"a\\\"b\"} 3\n<html>\ngo_sql_in_use_connections{db_na");
  ASSERT_THAT(counters.pools, SizeIs(1));
  EXPECT_EQ(counters.pools[0].name, "a\"b");
  EXPECT_THAT(read_prometheus("go_sql_in_use_connections NaN\nx{ 1\n{} 2\n").pools, IsEmpty());
}

TEST(Counters, prometheus_text_is_told_from_a_log) {
  EXPECT_TRUE(looks_like_prometheus("# HELP a b\n# TYPE a gauge\na 1\n"));
  EXPECT_TRUE(looks_like_prometheus("go_sql_idle_connections{db_name=\"x\"} 0\n"));
  EXPECT_FALSE(looks_like_prometheus("2026/11/21 03:02:01 started\nready\n"));
  EXPECT_TRUE(looks_like_prometheus("a_total{b=\"c\"} 1 1732156800000\n"));
  EXPECT_TRUE(looks_like_prometheus("a_total{b=\"c\"} 1 # {trace_id=\"x\"} 1\n"));
  EXPECT_FALSE(looks_like_prometheus("fetch-1  | ready\nfetch-1  | done\n"));
  EXPECT_FALSE(looks_like_prometheus("order 17 stored in 3 rows\n"));
  EXPECT_FALSE(looks_like_prometheus("goroutine 1 [running]:\nmain.main()\n"));
  EXPECT_FALSE(looks_like_prometheus(""));
}

TEST(Counters, dbstats_are_found_in_any_json) {
  const auto plain = read_counters_json(
      R"({"MaxOpenConnections":50,"OpenConnections":50,"InUse":50,"Idle":0,"WaitCount":731,"WaitDuration":1500000000})");
  ASSERT_TRUE(plain);
  ASSERT_THAT(plain->pools, SizeIs(1));
  EXPECT_EQ(plain->pools[0].format, "sql.DBStats");
  EXPECT_EQ(plain->pools[0].wait_seconds, 1.5);
  const auto expvar = read_counters_json(
      R"({"cmdline":["./app"],"memstats":{"Alloc":1,"BySize":[{"Size":8,"Mallocs":1}]},"goroutines":12,
          "orders":{"MaxOpenConnections":0,"OpenConnections":3,"InUse":1,"Idle":2,"WaitDuration":"1m2.5s"}})");
  ASSERT_TRUE(expvar);
  ASSERT_THAT(expvar->pools, SizeIs(1));
  EXPECT_EQ(expvar->pools[0].name, "orders");
  EXPECT_FALSE(expvar->pools[0].max);
  EXPECT_EQ(expvar->pools[0].wait_seconds, 62.5);
  EXPECT_EQ(expvar->process.goroutines, 12);
  EXPECT_FALSE(read_counters_json("{\"InUse\":"));
  EXPECT_TRUE(read_counters_json(std::string(2000, '[') + std::string(2000, ']')));
}

TEST(PoolLines, what_pools_log_of_themselves_is_read) {
  const auto hikari = pool_in_line(
      "HikariPool-1 - Connection is not available, request timed out after 30001ms (total=10, "
      "active=10, idle=0, waiting=3)");
  ASSERT_TRUE(hikari);
  EXPECT_EQ(hikari->name, "HikariPool-1");
  EXPECT_EQ(hikari->open, 10);
  EXPECT_EQ(hikari->in_use, 10);
  EXPECT_EQ(hikari->waiting, 3);
  const auto alchemy = pool_in_line("QueuePool limit of size 5 overflow 10 reached, timed out");
  ASSERT_TRUE(alchemy);
  EXPECT_EQ(alchemy->max, 15);
  EXPECT_EQ(alchemy->in_use, 15);
  const auto druid = pool_in_line("wait millis 60000, active 20, maxActive 20, creating 0");
  ASSERT_TRUE(druid);
  EXPECT_EQ(druid->max, 20);
  EXPECT_EQ(druid->in_use, 20);
  const auto go = pool_in_line(
      "{MaxOpenConnections:5 OpenConnections:4 InUse:3 Idle:1 WaitCount:6 "
      "WaitDuration:1m3.001397318s "
      "MaxIdleClosed:0}");
  ASSERT_TRUE(go);
  EXPECT_EQ(go->max, 5);
  EXPECT_EQ(go->open, 4);
  EXPECT_NEAR(go->wait_seconds.value_or(0), 63.0, 0.01);
  const auto mongo = pool_in_line(
      "maxPoolSize: 100, connections in use by cursors: 90, connections in use by transactions: 4, "
      "connections in use by other operations: 6");
  ASSERT_TRUE(mongo);
  EXPECT_EQ(mongo->in_use, 100);
  const auto tomcat = pool_in_line(
      "[main] Timeout: Pool empty. Unable to fetch a connection in 1 seconds, none "
      "available[size:3; busy:3; idle:0; lastwait:1000].");
  ASSERT_TRUE(tomcat);
  EXPECT_EQ(tomcat->in_use, 3);
  EXPECT_FALSE(pool_in_line("done (total=5, failed=1)"));
  EXPECT_FALSE(pool_in_line(""));
}

}  // namespace
}  // namespace unclosed
