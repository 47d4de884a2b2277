#include "collect/golang/sql_pools.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <span>

#include "base/bytes.h"
#include "collect/golang/descriptor_finder.h"
#include "collect/golang/frame_words.h"

namespace unclosed {
namespace {

constexpr std::string_view kOpener = "database/sql.(*DB).connectionOpener";
constexpr std::string_view kBorrow = "database/sql.(*DB).conn";
constexpr size_t kPoolBytes = 256;      // more than any release's sql.DB has
constexpr size_t kMostChannels = 8;     // that one select waits for
constexpr size_t kMostWords = 8 << 20;  // of one map
constexpr int64_t kMostConnections = 1'000'000;
constexpr uint64_t kMostMapBytes = 64 << 20;
constexpr int64_t kUsualIdle = 2;  // where the program sets nothing

class Pools {
 public:
  Pools(GoProcess& process, const GoroutineList& list)
      : x_process(process), x_layout(process.layout()), x_list(list), x_connections(process) {}
  Result<std::vector<SqlPool>> find();

 private:
  std::optional<uint64_t> word_at(uint64_t address) {
    const auto word = x_process.memory().load<uint64_t>(address);
    return word ? *word : std::nullopt;
  }
  std::vector<uint64_t> channels_of(const LiveGoroutine& goroutine);
  std::optional<SqlPool> read(uint64_t address);
  std::vector<uint64_t> words_of_map(uint64_t map);
  std::vector<uint64_t> words_of_buckets(uint64_t map);
  std::vector<uint64_t> words_of_groups(uint64_t map);
  std::vector<uint64_t> read_words(uint64_t address, uint64_t bytes);
  void add_connections(uint64_t dependents, SqlPool& pool);
  Status count_waiting(std::vector<SqlPool>& pools);
  std::optional<SqlPool::Connection> connection(uint64_t address, uint64_t pool);

  GoProcess& x_process;
  const GoRuntimeLayout& x_layout;
  const GoroutineList& x_list;
  DescriptorFinder x_connections;
};

// Those that the goroutine's select waits for.
std::vector<uint64_t> Pools::channels_of(const LiveGoroutine& goroutine) {
  std::vector<uint64_t> channels;
  auto waiting = word_at(goroutine.address + x_layout.g_waiting);
  for (size_t i = 0; waiting && *waiting != 0 && i < kMostChannels; ++i) {
    if (const auto channel = word_at(*waiting + x_layout.sudog_channel); channel && *channel != 0)
      channels.push_back(*channel);
    waiting = word_at(*waiting + x_layout.sudog_next_of_g);
  }
  return channels;
}

std::optional<SqlPool> Pools::read(uint64_t address) {
  std::array<std::byte, kPoolBytes> bytes{};
  const auto got = x_process.memory().read(address, bytes);
  if (!got || !*got) return std::nullopt;
  const auto number = [&](uint32_t at) { return load<int64_t>(Bytes(bytes), at).value_or(0); };
  SqlPool pool;
  pool.address = address;
  pool.open = number(x_layout.pool_open);
  pool.idle = number(x_layout.pool_free + offsetof(GoSlice, length));
  pool.max_open = std::max<int64_t>(number(x_layout.pool_max_open), 0);
  const int64_t idle = number(x_layout.pool_max_idle);
  pool.max_idle = idle == 0 ? kUsualIdle : std::max<int64_t>(idle, 0);
  pool.waits = number(x_layout.pool_waits);
  pool.wait_seconds = static_cast<double>(number(x_layout.pool_wait_time)) / 1e9;
  if (pool.idle < 0 || pool.idle > pool.open || pool.open > kMostConnections || pool.waits < 0)
    return std::nullopt;
  pool.in_use = pool.open - pool.idle;
  add_connections(static_cast<uint64_t>(number(x_layout.pool_dependents)), pool);
  return pool;
}

std::vector<uint64_t> Pools::read_words(uint64_t address, uint64_t bytes) {
  std::vector<uint64_t> words(std::min(bytes, kMostMapBytes) / 8);
  const auto got = x_process.memory().read(address, std::as_writable_bytes(std::span(words)));
  if (!got || !*got) words.clear();
  return words;
}

// What is stored in a map whose keys are interface values and whose values are pointers: keys are
// told from the rest by what they point to, so that its order need not be understood.
std::vector<uint64_t> Pools::words_of_map(uint64_t map) {
  return x_layout.minor < 24 ? words_of_buckets(map) : words_of_groups(map);
}

// Up to Go 1.23: 2^B buckets of eight entries, each bucket with a chain of more.
std::vector<uint64_t> Pools::words_of_buckets(uint64_t map) {
  constexpr uint64_t kLogarithmAt = 9, kBucketsAt = 16, kBucket = 8 + 8 * 16 + 8 * 8 + 8;
  constexpr size_t kMostChain = 10000;
  const auto logarithm = x_process.memory().load<uint8_t>(map + kLogarithmAt);
  const auto buckets = word_at(map + kBucketsAt);
  if (!logarithm || !*logarithm || **logarithm > 20 || !buckets || *buckets == 0) return {};
  auto words = read_words(*buckets, (uint64_t{1} << **logarithm) * kBucket);
  size_t chained = 0;
  for (size_t at = kBucket / 8 - 1; at < words.size(); at += kBucket / 8) {
    if (words[at] == 0 || ++chained > kMostChain) continue;
    const auto more = read_words(words[at], kBucket);
    words.insert(words.end(), more.begin(), more.end());
  }
  return words;
}

// From Go 1.24 on: one group of eight entries, or a directory of tables of groups.
std::vector<uint64_t> Pools::words_of_groups(uint64_t map) {
  constexpr uint64_t kDirectoryAt = 16, kDirectoryLengthAt = 24, kGroup = 8 + 8 * (16 + 8);
  constexpr uint64_t kGroupsAt = 16, kMaskAt = 24, kMostTables = 4096;
  const auto directory = word_at(map + kDirectoryAt), length = word_at(map + kDirectoryLengthAt);
  if (!directory || !length || *directory == 0) return {};
  if (*length == 0) return read_words(*directory, kGroup);
  std::vector<uint64_t> words;
  const auto tables = read_words(*directory, std::min(*length, kMostTables) * 8);
  for (const uint64_t table : std::set(tables.begin(), tables.end())) {
    const auto groups = word_at(table + kGroupsAt), mask = word_at(table + kMaskAt);
    if (!groups || !mask || *mask > kMostMapBytes / kGroup) continue;
    if (words.size() + (*mask + 1) * kGroup / 8 > kMostWords) break;
    const auto more = read_words(*groups, (*mask + 1) * kGroup);
    words.insert(words.end(), more.begin(), more.end());
  }
  return words;
}

// The connection of `pool` at this address; nullopt: something else is there.
std::optional<SqlPool::Connection> Pools::connection(uint64_t address, uint64_t pool) {
  std::array<std::byte, kPoolBytes> bytes{};
  const auto got = x_process.memory().read(address, std::span(bytes).first(x_layout.pooled_size));
  if (!got || !*got) return std::nullopt;
  const Bytes read(bytes);
  // Statements name their pool first as well, but hold no driver's connection there.
  if (load<uint64_t>(read, x_layout.pooled_pool) != pool ||
      x_connections.behind_table(load<uint64_t>(read, x_layout.pooled_driver).value_or(0)) ==
          nullptr ||
      load<uint8_t>(read, x_layout.pooled_closed) != uint8_t{0})
    return std::nullopt;
  SqlPool::Connection one;
  one.in_use = load<uint8_t>(read, x_layout.pooled_in_use).value_or(0) != 0;
  one.fd = x_connections.behind(address + x_layout.pooled_driver);
  return one;
}

void Pools::add_connections(uint64_t dependents, SqlPool& pool) {
  if (dependents == 0) return;
  auto words = words_of_map(dependents);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  for (const uint64_t word : words) {
    if (word < 4096 || word % 8 != 0) continue;
    // More than it has open are none of its connections.
    if (pool.connections.size() >= static_cast<size_t>(pool.open)) break;
    if (const auto one = connection(word, pool.address)) pool.connections.push_back(*one);
  }
  std::sort(pool.connections.begin(), pool.connections.end(),
            [](const auto& a, const auto& b) { return a.fd < b.fd; });
}

Result<std::vector<SqlPool>> Pools::find() {
  const auto frames = frames_of(x_process, x_list, kOpener);
  if (!frames) return frames.error();
  std::vector<SqlPool> pools;
  std::set<uint64_t> known;
  for (const FrameWords& frame : *frames) {
    // It waits for the pool's own channel: that tells the pool from every other word.
    const auto channels = channels_of(*frame.goroutine);
    for (const uint64_t word : frame.words) {
      const auto opener = word_at(word + x_layout.pool_opener);
      if (!opener || std::find(channels.begin(), channels.end(), *opener) == channels.end())
        continue;
      if (!known.insert(word).second) continue;
      if (auto pool = read(word)) pools.push_back(std::move(*pool));
    }
  }
  std::sort(pools.begin(), pools.end(),
            [](const SqlPool& a, const SqlPool& b) { return a.address < b.address; });
  if (auto counted = count_waiting(pools); !counted) return counted.error();
  return pools;
}

Status Pools::count_waiting(std::vector<SqlPool>& pools) {
  if (pools.empty()) return {};
  const auto frames = frames_of(x_process, x_list, kBorrow);
  if (!frames) return frames.error();
  for (const FrameWords& frame : *frames) {
    for (SqlPool& pool : pools) {
      pool.waiting += std::binary_search(frame.words.begin(), frame.words.end(), pool.address);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<SqlPool>> sql_pools(GoProcess& process, const GoroutineList& list) {
  return Pools(process, list).find();
}

}  // namespace unclosed
