#include "collect/log/log_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "collect/log/counters.h"
#include "collect/log/pool_lines.h"
#include "model/cut_secrets.h"

namespace unclosed {
namespace {

constexpr size_t kLongestLine = 32U << 20;  // a JSON string may hold a whole dump
constexpr size_t kSearched = 16U << 10;     // of a line, for words of trouble
constexpr size_t kShown = 400;              // of a line, as a sample
constexpr size_t kMostDumps = 8;            // streams with dumps
constexpr size_t kMostPools = 4096;
constexpr size_t kLongestCounters = 1U << 20;  // of a JSON object with counters

std::string sample_of(std::string_view text) {
  const size_t start = std::min(text.find_first_not_of(" \t"), text.size());
  // Cut first: half of a secret is not known as one.
  std::string out = cut_secrets_in_log(text.substr(start, 4096));
  if (out.size() <= kShown) return out;
  size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
  return out + "…";
}

// From the first brace to the last, as `log.Printf("pool %s", stats)` puts an object behind words.
std::string_view object_in(std::string_view text) {
  const size_t start = text.find('{'), end = text.rfind('}');
  if (end == std::string_view::npos || start > end) return {};
  return text.substr(start, end + 1 - start);
}

bool may_hold_counters(std::string_view json) {
  if (json.size() > kLongestCounters) return false;
  for (const std::string_view name : {"InUse", "in_use", "inUse", "acquired", "OpenConnections"})
    if (json.find(name) != std::string_view::npos) return true;
  return false;
}

}  // namespace

LogReader::LogReader(std::string source)
    : x_cleaner([this](const CleanLine& line) { clean_line(line); }) {
  x_account.source = std::move(source);
  x_account.what = "log";
}

void LogReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (!x_skip && x_rest.size() + part.size() > kLongestLine) {
      // What was read of it is used; the rest is not.
      x_rest.append(part.substr(0, kLongestLine - x_rest.size()));
      x_skip = true;
      ++x_cut_lines;
    }
    if (end == std::string_view::npos) {
      if (!x_skip) x_rest.append(part);
      return;
    }
    if (x_rest.empty()) {
      raw_line(part);
    } else {
      if (!x_skip) x_rest.append(part);
      raw_line(x_rest);
      x_rest.clear();
    }
    x_skip = false;
  }
}

void LogReader::raw_line(std::string_view line) { x_cleaner.line(line, ++x_account.lines); }

void LogReader::clean_line(const CleanLine& line) {
  const auto dump = x_dumps.find(line.stream);
  if (dump != x_dumps.end()) {
    if (dump->second.line(line)) return;
  } else if (GoDump::may_begin(line.text) && x_dumps.size() < kMostDumps) {
    if (x_dumps[line.stream].line(line)) return;
  }
  const auto text = line.text.substr(0, kSearched);
  x_java.line(line.stream, text, line.number);
  PhraseFinder::instance().find(text, [&](const Phrase& phrase) { count(phrase, line); });
  pools_of(line);
}

void LogReader::count(const Phrase& phrase, const CleanLine& line) {
  LogError& error = x_errors[static_cast<size_t>(phrase.kind)];
  error.last_line = line.number;
  if (error.count++ > 0) return;
  error.kind = phrase.kind;
  error.first_line = line.number;
  error.source = x_account.source;
  error.from = phrase.from;
  error.text = sample_of(line.text);
}

void LogReader::count_caught(const GoDump::Seen& seen) {
  LogError& error = x_errors[static_cast<size_t>(Trouble::kHandlerPanic)];
  const Death& first = seen.first_caught;
  if (error.count == 0 || first.line < error.first_line) {
    error.kind = Trouble::kHandlerPanic;
    error.first_line = first.line;
    error.source = x_account.source;
    error.from = "Go";
    error.text = sample_of(first.how + ": " + first.message);
  }
  error.count += seen.caught;
  error.last_line = std::max(error.last_line, first.line);
}

void LogReader::pools_of(const CleanLine& line) {
  const auto json = line.json.empty() ? object_in(line.text) : line.json;
  if (!json.empty() && may_hold_counters(json)) {
    if (auto counters = read_counters_json(json)) {
      for (PoolSample& sample : counters->pools) add_pool(std::move(sample), line.number);
      if (!counters->pools.empty()) return;
    }
  }
  if (auto sample = pool_in_line(line.text.substr(0, kSearched)))
    add_pool(*std::move(sample), line.number);
}

void LogReader::add_pool(PoolSample sample, uint64_t line) {
  auto& pools = x_account.pools;
  sample.source = x_account.source;
  sample.line = line;
  pools.push_back(std::move(sample));
  if (pools.size() < kMostPools) return;
  // Every other one tells of the course as well.
  for (size_t i = 1; i < pools.size() / 2; ++i) pools[i] = std::move(pools[2 * i]);
  pools[pools.size() / 2] = std::move(pools.back());
  pools.resize(pools.size() / 2 + 1);
}

// Whose goroutines are not told beside those of `told`; nullopt: there are no others.
std::optional<std::string> LogReader::other_writers(const GoDump::Seen& told) const {
  std::string names;
  size_t others = 0;
  for (const auto& [stream, dump] : x_dumps) {
    if (&dump.seen() == &told || !dump.seen().dump) continue;
    const std::string& name = x_cleaner.name_of(stream);
    names.append(others++ == 0 ? "" : ", ").append(name.empty() ? "lines without a prefix" : name);
  }
  if (others == 0) return std::nullopt;
  return fmt::format("the log holds goroutines of {} more, which are not told: {}",
                     others == 1 ? "one writer" : fmt::format("{} writers", others), names);
}

// The dump that matters is that of the last death; without a death, the largest.
void LogReader::take_dumps() {
  const GoDump::Seen* best = nullptr;
  for (auto& [stream, dump] : x_dumps) {
    dump.finish();
    const GoDump::Seen& seen = dump.seen();
    x_account.deaths += seen.deaths;
    if (seen.caught > 0) count_caught(seen);
    const auto died_at = [](const GoDump::Seen& one) {
      return one.died && !one.died->asked ? one.died->line : 0;
    };
    const auto size = [](const GoDump::Seen& one) {
      return one.dump ? one.dump->capture.goroutines : 0;
    };
    if (best == nullptr || died_at(seen) > died_at(*best) ||
        (died_at(seen) == died_at(*best) && size(seen) > size(*best)))
      best = &seen;
  }
  if (best == nullptr) return;
  x_account.died = best->died;
  if (x_account.died) x_account.died->source = x_account.source;
  x_dump = best->dump;
  if (x_dump) {
    x_dump->capture.source = x_account.source;
    if (auto note = other_writers(*best)) {
      x_account.notes.push_back(*note);
      x_dump->capture.notes.push_back(*std::move(note));
    }
    x_account.dump = x_dump->capture;
  }
  x_account.open_in_go = best->open;
}

Account LogReader::finish() {
  if (!x_rest.empty()) raw_line(x_rest);
  x_rest.clear();
  x_cleaner.finish();
  take_dumps();
  x_account.holds = x_java.take();
  for (auto& hold : x_account.holds) hold.source = x_account.source;
  for (auto& error : x_errors) {
    if (error.count > 0) x_account.errors.push_back(std::move(error));
  }
  if (x_cut_lines > 0) {
    x_account.notes.push_back(
        fmt::format("{} line{} longer than {} MiB: the rest of such a line was not read",
                    x_cut_lines, x_cut_lines == 1 ? " is" : "s are", kLongestLine >> 20));
  }
  if (x_cleaner.too_many_streams()) {
    x_account.notes.push_back(
        "the log has more writers than are kept apart: stacks of the later ones may be mixed");
  }
  return std::move(x_account);
}

}  // namespace unclosed
