#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <string>

#include "collect/log/counters.h"

namespace unclosed {
namespace {

using Value = std::optional<double> PoolSample::*;

// One metric. Where `state` is given, only samples with a label of that value count, and samples of
// one pool are added.
struct Metric {
  std::string_view name, format;
  Value into;
  double scale = 1;
  std::string_view state = {};
};
constexpr std::string_view kGoSql = "go_sql";
constexpr std::string_view kHikari = "hikaricp";
constexpr std::string_view kPgx = "pgxpool";
constexpr std::string_view kOtel = "OpenTelemetry";
constexpr std::string_view kOtelSql = "otelsql";
constexpr std::array kMetrics = {
    Metric{"go_sql_max_open_connections", kGoSql, &PoolSample::max},
    Metric{"go_sql_open_connections", kGoSql, &PoolSample::open},
    Metric{"go_sql_in_use_connections", kGoSql, &PoolSample::in_use},
    Metric{"go_sql_idle_connections", kGoSql, &PoolSample::idle},
    Metric{"go_sql_wait_count_total", kGoSql, &PoolSample::wait_count},
    Metric{"go_sql_wait_duration_seconds_total", kGoSql, &PoolSample::wait_seconds},
    Metric{"go_sql_stats_connections_max_open", kGoSql, &PoolSample::max},
    Metric{"go_sql_stats_connections_open", kGoSql, &PoolSample::open},
    Metric{"go_sql_stats_connections_in_use", kGoSql, &PoolSample::in_use},
    Metric{"go_sql_stats_connections_idle", kGoSql, &PoolSample::idle},
    Metric{"go_sql_stats_connections_waited_for", kGoSql, &PoolSample::wait_count},
    Metric{"go_sql_stats_connections_blocked_seconds", kGoSql, &PoolSample::wait_seconds},
    // HikariCP, by Micrometer and by its own collector.
    Metric{"hikaricp_connections", kHikari, &PoolSample::open},
    Metric{"hikaricp_connections_max", kHikari, &PoolSample::max},
    Metric{"hikaricp_max_connections", kHikari, &PoolSample::max},
    Metric{"hikaricp_connections_active", kHikari, &PoolSample::in_use},
    Metric{"hikaricp_active_connections", kHikari, &PoolSample::in_use},
    Metric{"hikaricp_connections_idle", kHikari, &PoolSample::idle},
    Metric{"hikaricp_idle_connections", kHikari, &PoolSample::idle},
    Metric{"hikaricp_connections_pending", kHikari, &PoolSample::waiting},
    Metric{"hikaricp_pending_threads", kHikari, &PoolSample::waiting},
    Metric{"hikaricp_connections_timeout_total", kHikari, &PoolSample::timeouts},
    Metric{"hikaricp_connection_timeout_total", kHikari, &PoolSample::timeouts},
    Metric{"hikaricp_connections_usage_seconds_count", kHikari, &PoolSample::uses},
    Metric{"hikaricp_connections_usage_seconds_sum", kHikari, &PoolSample::use_seconds},
    Metric{"hikaricp_connection_usage_millis_count", kHikari, &PoolSample::uses},
    Metric{"hikaricp_connection_usage_millis_sum", kHikari, &PoolSample::use_seconds, 1e-3},
    Metric{"hikaricp_connections_acquire_seconds_sum", kHikari, &PoolSample::wait_seconds},
    // Of pgxpool: an acquire is told when it succeeds, so its count moves with the connections.
    Metric{"pgxpool_max_conns", kPgx, &PoolSample::max},
    Metric{"pgxpool_total_conns", kPgx, &PoolSample::open},
    Metric{"pgxpool_acquired_conns", kPgx, &PoolSample::in_use},
    Metric{"pgxpool_idle_conns", kPgx, &PoolSample::idle},
    Metric{"pgxpool_acquire_count", kPgx, &PoolSample::uses},
    Metric{"pgxpool_empty_acquire", kPgx, &PoolSample::wait_count},
    Metric{"pgxpool_empty_acquire_count", kPgx, &PoolSample::wait_count},
    Metric{"pgxpool_canceled_acquire_count", kPgx, &PoolSample::timeouts},
    Metric{"pgxpool_acquire_duration_ns", kPgx, &PoolSample::wait_seconds, 1e-9},
    // The semantic conventions of OpenTelemetry, of now and of before.
    Metric{"db_client_connection_max", kOtel, &PoolSample::max},
    Metric{"db_client_connection_count", kOtel, &PoolSample::in_use, 1, "used"},
    Metric{"db_client_connection_count", kOtel, &PoolSample::idle, 1, "idle"},
    Metric{"db_client_connection_pending_requests", kOtel, &PoolSample::waiting},
    Metric{"db_client_connection_timeouts", kOtel, &PoolSample::timeouts},
    Metric{"db_client_connection_use_time_seconds_count", kOtel, &PoolSample::uses},
    Metric{"db_client_connection_use_time_seconds_sum", kOtel, &PoolSample::use_seconds},
    Metric{"db_client_connection_wait_time_seconds_count", kOtel, &PoolSample::wait_count},
    Metric{"db_client_connection_wait_time_seconds_sum", kOtel, &PoolSample::wait_seconds},
    Metric{"db_client_connections_max", kOtel, &PoolSample::max},
    Metric{"db_client_connections_usage", kOtel, &PoolSample::in_use, 1, "used"},
    Metric{"db_client_connections_usage", kOtel, &PoolSample::idle, 1, "idle"},
    Metric{"db_client_connections_pending_requests", kOtel, &PoolSample::waiting},
    Metric{"db_client_connections_timeouts", kOtel, &PoolSample::timeouts},
    Metric{"db_client_connections_use_time_milliseconds_count", kOtel, &PoolSample::uses},
    Metric{"db_client_connections_use_time_milliseconds_sum", kOtel, &PoolSample::use_seconds,
           1e-3},
    Metric{"db_sql_connection_max_open", kOtelSql, &PoolSample::max},
    Metric{"db_sql_connection_open", kOtelSql, &PoolSample::in_use, 1, "inuse"},
    Metric{"db_sql_connection_open", kOtelSql, &PoolSample::idle, 1, "idle"},
    Metric{"db_sql_connection_wait", kOtelSql, &PoolSample::wait_count},
    Metric{"db_sql_connection_wait_duration_milliseconds", kOtelSql, &PoolSample::wait_seconds,
           1e-3},
};
constexpr size_t kMostPools = 1000;
constexpr size_t kMostLabels = 64;

struct Label {
  std::string_view name;
  std::string value;
};
struct Sample {
  std::string_view name;
  std::vector<Label> labels;
  double value = 0;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

// Reads {a="b",c="d"} from behind the brace; nullopt: it is cut.
std::optional<size_t> read_labels(std::string_view text, std::vector<Label>& labels) {
  size_t i = 0;
  while (i < text.size() && text[i] != '}') {
    const size_t equals = text.find('=', i);
    if (equals == std::string_view::npos || equals + 1 >= text.size() || text[equals + 1] != '"')
      return std::nullopt;
    Label label{trimmed(text.substr(i, equals - i)), {}};
    size_t at = equals + 2;
    for (; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      label.value += text[at];
    }
    if (at >= text.size()) return std::nullopt;
    if (labels.size() < kMostLabels) labels.push_back(std::move(label));
    i = at + 1;
    while (i < text.size() && (text[i] == ',' || text[i] == ' ')) ++i;
  }
  if (i >= text.size()) return std::nullopt;
  return i + 1;
}

std::optional<Sample> read_sample(std::string_view line) {
  line = trimmed(line);
  size_t end = 0;
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
  };
  while (end < line.size() && is_name(line[end])) ++end;
  if (end == 0 || end == line.size()) return std::nullopt;
  Sample sample;
  sample.name = line.substr(0, end);
  auto rest = line.substr(end);
  if (rest.front() == '{') {
    const auto after = read_labels(rest.substr(1), sample.labels);
    if (!after) return std::nullopt;
    rest.remove_prefix(1 + *after);
  }
  // "fetch-1  | ready" is a line of a log, and no sample of -1.
  if (rest.empty() ||
      (sample.labels.empty() && line[end] != ' ' && line[end] != '\t' && line[end] != '{'))
    return std::nullopt;
  rest = trimmed(rest);
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), sample.value);
  if (error != std::errc() || !std::isfinite(sample.value)) return std::nullopt;
  rest.remove_prefix(static_cast<size_t>(stop - rest.data()));
  if (rest.empty()) return sample;
  // A time may follow, and an exemplar behind a '#'.
  if (rest.front() != ' ' && rest.front() != '\t') return std::nullopt;
  rest = trimmed(rest);
  const size_t behind = rest.find_first_not_of("-0123456789.");
  if (behind != std::string_view::npos && rest[behind] != ' ' && rest[behind] != '#')
    return std::nullopt;
  if (behind != std::string_view::npos && rest.find('#', behind) == std::string_view::npos)
    return std::nullopt;
  return sample;
}

// Which pool a sample is of: its labels but those that tell a state or a bucket.
std::string pool_key(const Sample& sample, std::string_view format) {
  std::string key(format);
  for (const auto& [name, value] : sample.labels) {
    if (name == "state" || name == "status" || name == "le" || name == "quantile" ||
        name == "db_client_connection_state" || name == "db_client_connections_state")
      continue;
    key.append("\n").append(name).append("=").append(value);
  }
  return key;
}

std::string pool_name(const Sample& sample) {
  static constexpr std::array<std::string_view, 9> kNames = {"db_name",
                                                             "pool",
                                                             "pool_name",
                                                             "db_client_connection_pool_name",
                                                             "db_client_connections_pool_name",
                                                             "db",
                                                             "db_system",
                                                             "datasource",
                                                             "name"};
  for (const auto wanted : kNames) {
    for (const auto& [name, value] : sample.labels) {
      if (name == wanted) return value;
    }
  }
  return {};
}

bool in_state(const Sample& sample, std::string_view state) {
  return state.empty() || std::any_of(sample.labels.begin(), sample.labels.end(),
                                      [&](const Label& label) { return label.value == state; });
}

// "x_total" and "x" are the same counter: exporters differ.
bool same_metric(std::string_view name, std::string_view wanted) {
  if (name == wanted) return true;
  constexpr std::string_view kTotal = "_total";
  return name.ends_with(kTotal) && name.substr(0, name.size() - kTotal.size()) == wanted;
}

void put_gauge(const Sample& sample, ProcessGauges& process) {
  if (sample.name == "process_open_fds" || sample.name == "process_files_open_files")
    process.open_descriptors = sample.value;
  if (sample.name == "process_max_fds" || sample.name == "process_files_max_files")
    process.max_descriptors = sample.value;
  if (sample.name == "go_goroutines") process.goroutines = sample.value;
}

// Only what the counters do not say by themselves.
void complete(PoolSample& pool) {
  if (!pool.open && pool.in_use && pool.idle) pool.open = *pool.in_use + *pool.idle;
  // A bound of 0 is none.
  if (pool.max == 0) pool.max.reset();
}

}  // namespace

bool looks_like_prometheus(std::string_view start) {
  size_t samples = 0, others = 0;
  bool marked = false;
  while (!start.empty() && samples + others < 50) {
    const size_t end = start.find('\n');
    const auto line = trimmed(start.substr(0, end));
    const bool last = end == std::string_view::npos;
    start.remove_prefix(last ? start.size() : end + 1);
    if (line.empty() || (last && samples + others > 0)) continue;
    if (line.starts_with("# TYPE ") || line.starts_with("# HELP ")) marked = true;
    if (line.starts_with('#')) continue;
    ++(read_sample(line) ? samples : others);
  }
  return samples > 0 && (others == 0 || (marked && samples > others));
}

Counters read_prometheus(std::string_view text) {
  Counters out;
  std::map<std::string, size_t> by_key;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with('#')) continue;
    const auto sample = read_sample(line);
    if (!sample) continue;
    put_gauge(*sample, out.process);
    for (const Metric& metric : kMetrics) {
      if (!same_metric(sample->name, metric.name) || !in_state(*sample, metric.state)) continue;
      const auto key = pool_key(*sample, metric.format);
      auto found = by_key.find(key);
      if (found == by_key.end()) {
        if (out.pools.size() >= kMostPools) continue;
        PoolSample pool;
        pool.name = pool_name(*sample);
        pool.format = "Prometheus, " + std::string(metric.format);
        out.pools.push_back(std::move(pool));
        found = by_key.emplace(key, out.pools.size() - 1).first;
      }
      auto& value = out.pools[found->second].*metric.into;
      value = value.value_or(0) + sample->value * metric.scale;
    }
  }
  // What has counters of its past alone is no state of a pool.
  std::erase_if(out.pools, [](const PoolSample& pool) { return !pool.in_use; });
  for (PoolSample& pool : out.pools) complete(pool);
  return out;
}

}  // namespace unclosed
