#include "model/history.h"

#include <algorithm>
#include <bit>

namespace unclosed {

void DurationHistogram::add(Duration duration) {
  const int64_t micros = std::max<int64_t>(duration.count() / 1000, 1);
  const int bucket = std::min<int>(
      static_cast<int>(std::bit_width(static_cast<uint64_t>(micros))) - 1, kBuckets - 1);
  ++counts[static_cast<size_t>(bucket)];
  ++total;
}

void DurationHistogram::merge(const DurationHistogram& other) {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  total += other.total;
}

std::optional<Duration> DurationHistogram::quantile(double q) const {
  if (total == 0) return std::nullopt;
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(q * static_cast<double>(total) + 0.999999));
  uint64_t sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    sum += counts[i];
    if (sum >= wanted) return Duration((int64_t{2} << i) * 1000);
  }
  return Duration((int64_t{1} << kBuckets) * 1000);
}

}  // namespace unclosed
