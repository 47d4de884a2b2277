#include "collect/log/pool_lines.h"

#include <array>
#include <charconv>
#include <string>
#include <vector>

namespace unclosed {
namespace {

using Value = std::optional<double> PoolSample::*;
struct Counter {
  std::string_view before;  // the number stands right behind it
  Value into;
};
// One form of a line. `anchor` stands in it; counters are sought behind the anchor's start.
struct Form {
  std::string_view anchor, format;
  std::vector<Counter> counters;
  // All of them in use: the line says that nothing was left.
  bool exhausted = false;
};

const std::vector<Form>& forms() {
  static const std::vector<Form> kForms = {
      {"(total=",
       "HikariCP's log",
       {{"total=", &PoolSample::open},
        {"active=", &PoolSample::in_use},
        {"idle=", &PoolSample::idle},
        {"waiting=", &PoolSample::waiting}}},
      {"wait millis ",
       "Druid's log",
       {{" maxActive ", &PoolSample::max}, {" active ", &PoolSample::in_use}}},
      {"none available[size:",
       "Tomcat JDBC's log",
       {{"size:", &PoolSample::max}, {"busy:", &PoolSample::in_use}, {"idle:", &PoolSample::idle}}},
      {"MaxOpenConnections:",
       "sql.DBStats",
       {{"MaxOpenConnections:", &PoolSample::max},
        {"OpenConnections:", &PoolSample::open},
        {"InUse:", &PoolSample::in_use},
        {"Idle:", &PoolSample::idle},
        {"WaitCount:", &PoolSample::wait_count}}},
      {"connection pool timeout: ",
       "Prisma's log",
       {{"connection limit: ", &PoolSample::max}},
       true},
  };
  return kForms;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::optional<double> number_behind(std::string_view text, std::string_view before) {
  for (size_t at = text.find(before); at != std::string_view::npos;
       at = text.find(before, at + 1)) {
    // "OpenConnections:" is not the end of "MaxOpenConnections:".
    if (at > 0 && is_word(text[at - 1]) && is_word(before.front())) continue;
    uint64_t value = 0;
    const char* from = text.data() + at + before.size();
    const auto [end, error] = std::from_chars(from, text.data() + text.size(), value);
    if (error == std::errc() && end != from) return static_cast<double>(value);
    return std::nullopt;
  }
  return std::nullopt;
}

// "HikariPool-1 - Connection is not available, …": the word before the dash.
std::string hikari_name(std::string_view text) {
  const size_t dash = text.rfind(" - ");
  if (dash == std::string_view::npos) return {};
  const size_t start = text.find_last_of(" \t:\"[(", dash - (dash > 0 ? 1 : 0));
  const size_t from = start == std::string_view::npos ? 0 : start + 1;
  if (from >= dash || dash - from > 128) return {};
  return std::string(text.substr(from, dash - from));
}

// "QueuePool limit of size 5 overflow 10 reached": both together are the bound, and it was reached.
std::optional<PoolSample> queue_pool(std::string_view line) {
  constexpr std::string_view kAnchor = "QueuePool limit of size ";
  const size_t at = line.find(kAnchor);
  if (at == std::string_view::npos) return std::nullopt;
  const auto size = number_behind(line.substr(at), kAnchor);
  const auto overflow = number_behind(line.substr(at), " overflow ");
  if (!size || !overflow) return std::nullopt;
  PoolSample sample;
  sample.format = "SQLAlchemy's log";
  sample.max = sample.in_use = sample.open = *size + *overflow;
  return sample;
}

// MongoDB drivers tell what holds the connections.
std::optional<PoolSample> mongo_pool(std::string_view line) {
  constexpr std::string_view kAnchor = "maxPoolSize: ";
  const size_t at = line.find(kAnchor);
  if (at == std::string_view::npos) return std::nullopt;
  const auto rest = line.substr(at);
  PoolSample sample;
  sample.format = "the MongoDB driver's log";
  sample.max = number_behind(rest, kAnchor);
  double in_use = 0;
  bool told = false;
  for (const std::string_view holder :
       {"in use by cursors: ", "in use by transactions: ", "in use by other operations: "}) {
    const auto count = number_behind(rest, holder);
    told = told || count;
    in_use += count.value_or(0);
  }
  if (!told || !sample.max) return std::nullopt;
  sample.in_use = in_use;
  return sample;
}

}  // namespace

std::optional<double> go_seconds(std::string_view text) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  static constexpr std::array kUnits = {Unit{"h", 3600}, Unit{"ms", 1e-3}, Unit{"m", 60},
                                        Unit{"s", 1},    Unit{"us", 1e-6}, Unit{"µs", 1e-6},
                                        Unit{"ns", 1e-9}};
  double sum = 0;
  bool any = false;
  while (!text.empty()) {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc()) break;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const Unit* unit = nullptr;
    for (const Unit& one : kUnits) {
      if (text.starts_with(one.name)) {
        unit = &one;
        break;
      }
    }
    if (unit == nullptr) break;
    text.remove_prefix(unit->name.size());
    sum += value * unit->seconds;
    any = true;
  }
  if (!any) return std::nullopt;
  return sum;
}

std::optional<PoolSample> pool_in_line(std::string_view line) {
  for (const Form& form : forms()) {
    const size_t at = line.find(form.anchor);
    if (at == std::string_view::npos) continue;
    // The first counter may begin with the anchor's own bracket.
    const auto rest = line.substr(at);
    PoolSample sample;
    sample.format = form.format;
    size_t told = 0;
    for (const auto& [before, into] : form.counters) {
      sample.*into = number_behind(rest, before);
      told += (sample.*into).has_value() ? 1 : 0;
    }
    if (told == 0 || (told == 1 && form.counters.size() > 1)) continue;
    if (form.exhausted) sample.in_use = sample.open = sample.max;
    if (sample.format == "HikariCP's log") sample.name = hikari_name(line.substr(0, at));
    constexpr std::string_view kWaited = "WaitDuration:";
    if (const size_t waited = rest.find(kWaited); waited != std::string_view::npos)
      sample.wait_seconds = go_seconds(rest.substr(waited + kWaited.size(), 64));
    // A bound of 0 is none.
    if (sample.max == 0) sample.max.reset();
    return sample;
  }
  if (auto sample = queue_pool(line)) return sample;
  return mongo_pool(line);
}

}  // namespace unclosed
