#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "collect/log/counters.h"
#include "collect/log/pool_lines.h"

namespace unclosed {
namespace {

using Json = nlohmann::json;
using Value = std::optional<double> PoolSample::*;

constexpr int kDeepest = 16;
constexpr size_t kMostPools = 10'000;

// Names without regard to case, '_' and '-'.
struct Name {
  std::string_view name;
  Value into;
};
constexpr std::array kNames = {
    Name{"maxopenconnections", &PoolSample::max},
    Name{"maxopen", &PoolSample::max},
    Name{"maxconns", &PoolSample::max},
    Name{"maximumpoolsize", &PoolSample::max},
    Name{"maxpoolsize", &PoolSample::max},
    Name{"poolmax", &PoolSample::max},
    Name{"maxactive", &PoolSample::max},
    Name{"openconnections", &PoolSample::open},
    Name{"totalconns", &PoolSample::open},
    Name{"totalconnections", &PoolSample::open},
    Name{"poolsize", &PoolSample::open},
    Name{"open", &PoolSample::open},
    Name{"inuse", &PoolSample::in_use},
    Name{"acquiredconns", &PoolSample::in_use},
    Name{"activeconnections", &PoolSample::in_use},
    Name{"activecount", &PoolSample::in_use},
    Name{"idle", &PoolSample::idle},
    Name{"idleconns", &PoolSample::idle},
    Name{"idleconnections", &PoolSample::idle},
    Name{"poolavailable", &PoolSample::idle},
    Name{"threadsawaitingconnection", &PoolSample::waiting},
    Name{"requestswaiting", &PoolSample::waiting},
    Name{"waitthreadcount", &PoolSample::waiting},
    Name{"waiting", &PoolSample::waiting},
    Name{"waitcount", &PoolSample::wait_count},
    Name{"emptyacquirecount", &PoolSample::wait_count},
    Name{"acquirecount", &PoolSample::uses},
    Name{"canceledacquirecount", &PoolSample::timeouts},
};

std::string normal(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '_' || c == '-') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::optional<PoolSample> pool_of(const Json& object) {
  PoolSample pool;
  size_t told = 0;
  bool go = false;
  for (const auto& [key, value] : object.items()) {
    const std::string name = normal(key);
    if (name == "waitduration") {
      // Nanoseconds, as Go writes a duration into JSON, or its words.
      if (value.is_number()) pool.wait_seconds = value.get<double>() * 1e-9;
      if (value.is_string()) pool.wait_seconds = go_seconds(value.get_ref<const std::string&>());
      continue;
    }
    if (!value.is_number()) continue;
    const auto found = std::find_if(kNames.begin(), kNames.end(),
                                    [&](const Name& one) { return one.name == name; });
    if (found == kNames.end()) continue;
    pool.*(found->into) = value.get<double>();
    go = go || name == "maxopenconnections";
    ++told;
  }
  if (told < 3 || !(pool.in_use || (pool.open && pool.idle)) || !(pool.max || pool.open))
    return std::nullopt;
  if (!pool.in_use) pool.in_use = *pool.open - *pool.idle;
  if (pool.max == 0) pool.max.reset();
  pool.format = go ? "sql.DBStats" : "JSON";
  return pool;
}

void walk(const Json& json, const std::string& name, int depth, Counters& out) {
  if (depth > kDeepest || out.pools.size() >= kMostPools) return;
  if (json.is_object()) {
    if (auto pool = pool_of(json)) {
      pool->name = name;
      out.pools.push_back(*std::move(pool));
      return;
    }
    for (const auto& [key, value] : json.items()) {
      if (value.is_number() && normal(key).ends_with("goroutines"))
        out.process.goroutines = value.get<double>();
      if (value.is_structured()) walk(value, key.substr(0, 128), depth + 1, out);
    }
  } else if (json.is_array()) {
    for (const auto& value : json) walk(value, name, depth + 1, out);
  }
}

}  // namespace

Result<Counters> read_counters_json(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) {
    return Error{ErrorKind::kCorrupt, "the text is not whole JSON", "UC-E014"};
  }
  Counters out;
  walk(json, "", 0, out);
  return out;
}

}  // namespace unclosed
