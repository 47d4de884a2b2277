#include "cli/collector_threads.h"

#include <algorithm>
#include <array>

namespace unclosed {
namespace {

// HotSpot's threads since JDK 9 and before it, .NET's, and those of MySQL Connector/J and
// PostgreSQL JDBC, which close connections that the service forgot.
constexpr std::array<std::string_view, 6> kNames = {"Common-Cleaner", "Finalizer",
                                                    "Reference Handl", ".NET Finalizer",
                                                    "mysql-cj-abando", "PostgreSQL-JDBC"};
// java.lang.ref.Cleaner.create() numbers its own.
constexpr std::string_view kNumbered = "Cleaner-";
// A look costs some 10 µs: a service that makes a thread for each connection is not asked of all.
constexpr int kLooksPerSecond = 500;
constexpr size_t kMostKnown = 16384;

}  // namespace

bool runs_finalizers(std::string_view name) {
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return true;
  if (!name.starts_with(kNumbered)) return false;
  name.remove_prefix(kNumbered.size());
  return !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
}

bool CollectorThreads::is_collector(const Closed& closed) {
  const uint32_t thread = closed.closed_by.by.thread;
  if (thread == 0) return false;
  if (const auto known = x_known.find(thread); known != x_known.end()) return known->second;
  if (closed.at - x_second >= std::chrono::seconds(1)) {
    x_second = closed.at;
    x_looked = 0;
  }
  if (++x_looked > kLooksPerSecond) return false;
  const auto name = x_proc.thread_name(static_cast<pid_t>(thread));
  // One that is gone has its number taken by another later.
  if (!name) return false;
  if (x_known.size() >= kMostKnown) x_known.clear();
  return x_known[thread] = runs_finalizers(*name);
}

void CollectorThreads::accept(const Record& record) {
  const auto* closed = std::get_if<Closed>(&record);
  if (closed == nullptr || !is_collector(*closed)) return x_next.accept(record);
  Closed marked = *closed;
  marked.by_collector = true;
  x_next.accept(marked);
}

}  // namespace unclosed
