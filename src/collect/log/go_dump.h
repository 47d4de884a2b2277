// GoDump: what Go's runtime writes when a process dies or is asked for its goroutines, in the midst
// of one stream of a log: how it died, all goroutines grouped, and who opened the transactions and
// results that are still open. Lines of others in between are skipped. The grammar of tracebacks is
// collect/pprof's. Which frames are the user's own is decided elsewhere. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collect/log/line_cleaner.h"
#include "collect/pprof/captured.h"
#include "collect/pprof/trace_reader.h"
#include "model/trouble.h"

namespace unclosed {

class GoDump {
 public:
  // False: the line is no part of a death or a dump.
  bool line(const CleanLine& line);
  void finish();

  struct Seen {
    std::optional<Death> died;  // the last
    uint64_t deaths = 0;
    uint64_t caught = 0;  // panics that the service recovered from, and printed
    Death first_caught;
    std::optional<Captured> dump;  // the last; with growth where there was one before
    std::vector<OpenInGo> open;    // in the last dump
  };
  // After finish().
  const Seen& seen() const { return x_seen; }
  // Whether a line may begin something here, so that streams without Go need no GoDump.
  static bool may_begin(std::string_view text);

 private:
  enum class Cause : uint8_t { kNone, kDeath, kCaught };
  bool begins_death(const CleanLine& line);
  void goes_on(std::string_view text);
  bool told_already(std::string_view text);
  void took_goroutine();
  void end_dump();
  void end_caught();
  void start_anew();
  void keep(Captured dump);
  std::vector<OpenInGo> open_now() const;

  TraceReader x_reader;
  uint64_t x_taken = 0;  // goroutines of the reader that were looked at
  uint64_t x_quiet = 0;  // lines since the last that was part of the dump
  Cause x_cause = Cause::kNone;
  bool x_fresh = true;  // the next header begins a dump
  std::optional<Death> x_death;
  bool x_message_open = false, x_death_sure = false, x_death_told = false;
  bool x_needs_goroutine = false;  // a death on a doubtful line may be the service's words
  // Behind dashes GOTRACEBACK=crash tells of the other threads.
  bool x_dashes = false, x_other_threads = false, x_repeated = false;
  std::unordered_map<uint64_t, ParsedTrace> x_kinds;      // one of each kind
  std::unordered_map<uint64_t, uint64_t> x_kind_of;       // by goroutine
  std::vector<std::pair<uint64_t, uint64_t>> x_watchers;  // goroutine of the opener, kind
  std::optional<Captured> x_first, x_last;                // dumps
  bool x_first_lone = false;  // x_first is of a panic that shows one goroutine alone
  Seen x_seen;
};

}  // namespace unclosed
