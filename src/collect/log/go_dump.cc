#include "collect/log/go_dump.h"

#include <algorithm>
#include <array>
#include <map>

#include "model/cut_secrets.h"

namespace unclosed {
namespace {

constexpr uint64_t kApart = 200;      // lines of others between two dumps
constexpr uint64_t kMostDoubt = 200;  // lines after which "fatal error:" was somebody else's
constexpr size_t kMostMessage = 2048;
constexpr size_t kMostKinds = 5'000;
constexpr size_t kMostIds = 1'000'000;
constexpr size_t kMostWatchers = 200'000;

constexpr std::array<std::string_view, 8> kSignals = {
    "SIGQUIT: ", "SIGABRT: ", "SIGSEGV: ", "SIGBUS: ",
    "SIGILL: ",  "SIGFPE: ",  "SIGTRAP: ", "SIGSYS: "};

bool has_function(const std::vector<NamedFrame>& stack, std::string_view function) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](const NamedFrame& frame) { return frame.function.starts_with(function); });
}

// What a goroutine of database/sql waits for the end of; "": it is no such goroutine.
std::string_view watched(const ParsedTrace& trace) {
  if (has_function(trace.stack, "database/sql.(*Tx).awaitDone")) return "transaction";
  if (has_function(trace.stack, "database/sql.(*Rows).awaitDone")) return "result";
  return {};
}

// By debug.Stack(), as services do where they recover: no runtime dies there.
bool printed_itself(const std::vector<NamedFrame>& stack) {
  return !stack.empty() && stack.front().function == "runtime/debug.Stack";
}

std::string without_recovery_marks(std::string_view text) {
  for (const std::string_view mark : {" [recovered, repanicked]", " [recovered]"}) {
    if (text.ends_with(mark)) text.remove_suffix(mark.size());
  }
  return std::string(text);
}

}  // namespace

bool GoDump::may_begin(std::string_view text) {
  if (text.size() < 8) return false;
  switch (text.front()) {
    case 'g':
      return text.starts_with("goroutine ");
    case 'p':
      return text.starts_with("panic: ");
    case 'f':
      return text.starts_with("fatal error: ");
    case 'S':
      return text.starts_with("SIG");
    default:
      return text.find("http: panic serving ") != std::string_view::npos;
  }
}

bool GoDump::begins_death(const CleanLine& line) {
  const std::string_view text = line.text;
  Death death;
  for (const auto& [words, how] :
       {std::pair<std::string_view, std::string_view>{"panic: ", "panic"},
        {"fatal error: ", "fatal error"}}) {
    if (!text.starts_with(words)) continue;
    death.how = how;
    death.message = without_recovery_marks(text.substr(words.size(), kMostMessage));
  }
  for (const std::string_view words : kSignals) {
    if (!text.starts_with(words)) continue;
    death.how = words.substr(0, words.size() - 2);
    death.message = text.substr(words.size(), kMostMessage);
    death.asked = death.how == "SIGQUIT";
  }
  if (death.how.empty()) return false;
  // A panic while the first one was unwinding, or a fatal error that follows one, is one death.
  if (x_death && !x_death_sure && x_message_open && death.how == "panic") {
    goes_on(text);
    return true;
  }
  end_dump();
  death.line = line.number;
  x_needs_goroutine = line.doubtful;
  death.message = cut_secrets_in_log(death.message);
  x_death = std::move(death);
  x_cause = Cause::kDeath;
  x_message_open = true;
  x_death_sure = false;
  x_quiet = 0;
  return true;
}

// Lines between the message and the first goroutine.
void GoDump::goes_on(std::string_view text) {
  if (!x_death || x_death_sure) return;
  constexpr std::string_view kNested = "panic: ";
  const size_t start = std::min(text.find_first_not_of(" \t"), text.size());
  const auto inner = text.substr(start);
  if (inner.starts_with(kNested) && x_message_open) {
    // The last is what ended it; it may only be the first again.
    const auto again =
        cut_secrets_in_log(without_recovery_marks(inner.substr(kNested.size(), kMostMessage)));
    if (again != x_death->message)
      x_death->message = again + " (after panic: " + x_death->message + ")";
    if (x_death->message.size() > 2 * kMostMessage) x_death->message.resize(2 * kMostMessage);
  } else if (text.starts_with("[signal ")) {
    x_death->message += " " + std::string(text.substr(0, 200));
    x_message_open = false;
  } else if (text.empty() || inner.starts_with("PC=")) {
    x_message_open = false;
  } else if (x_message_open && start > 0 && x_death->message.size() < kMostMessage) {
    x_death->message += " " + cut_secrets_in_log(inner.substr(0, 400));
  }
}

// Whether the line is of a traceback that GOTRACEBACK=crash repeats: each further thread is sent
// SIGQUIT, and tells of the goroutine that it runs.
bool GoDump::told_already(std::string_view text) {
  if (x_dashes && text.starts_with("SIGQUIT: ")) {
    x_quiet = 0;
    return x_other_threads = true;
  }
  if (!text.empty()) x_dashes = text == "-----" && !x_fresh;
  if (!x_other_threads) return false;
  if (const auto header = trace_header(text))
    return x_repeated = header->id == 0 || x_kind_of.contains(header->id);
  if (text.empty()) x_repeated = false;
  return x_repeated && kind_of_line(text) != TraceLine::kOther;
}

bool GoDump::line(const CleanLine& line) {
  const std::string_view text = line.text;
  if (told_already(text)) return true;
  if (text.starts_with("goroutine ") && kind_of_line(text) == TraceLine::kHeader) {
    x_reader.finish();
    if (x_reader.read() > x_taken) took_goroutine();
    if (x_fresh || x_quiet > kApart) {
      if (!x_fresh) end_dump();
      x_fresh = false;
    }
  }
  const auto took = x_reader.line(text);
  if (x_reader.read() > x_taken) took_goroutine();
  if (took != TraceReader::Took::kNothing) {
    x_quiet = 0;
    x_message_open = false;
    if (took == TraceReader::Took::kBegin) x_death_sure = true;
    return true;
  }
  ++x_quiet;
  if (begins_death(line)) return true;
  if (text.find("http: panic serving ") != std::string_view::npos) {
    end_dump();
    x_cause = Cause::kCaught;
    return false;
  }
  if (x_death && !x_death_sure) {
    goes_on(text);
    if (x_quiet > kMostDoubt) x_death.reset();
  }
  return false;
}

// A panic that the service recovered from, or no panic at all: neither a death nor a dump.
void GoDump::end_caught() {
  if (x_death && !x_death->asked) {
    if (x_seen.caught++ == 0) x_seen.first_caught = std::move(*x_death);
    x_death.reset();
  }
  start_anew();
}

void GoDump::took_goroutine() {
  x_taken = x_reader.read();
  const std::string& text = x_reader.last();
  const auto facts = scan_trace(text);
  if (!facts) return;
  if (x_taken == 1) {
    const auto first = parse_trace(text);
    if (first && printed_itself(first->stack)) return end_caught();
  }
  auto kind = x_kinds.find(facts->key);
  if (kind == x_kinds.end() && x_kinds.size() < kMostKinds) {
    if (auto trace = parse_trace(text)) kind = x_kinds.emplace(facts->key, *std::move(trace)).first;
  }
  if (kind == x_kinds.end()) return;
  const ParsedTrace& trace = kind->second;
  const uint64_t id = facts->header.id;
  if (x_kind_of.size() < kMostIds) x_kind_of.emplace(id, facts->key);
  if (x_watchers.size() < kMostWatchers && !watched(trace).empty())
    x_watchers.emplace_back(facts->parent, facts->key);
  // The first that follows the message is who died; goroutine 0 is the runtime's own stack.
  if (x_death && !x_death_told && id != 0) {
    x_death_told = true;
    if (x_death->asked) return;
    x_death->goroutine = id;
    x_death->state = trace.state;
    x_death->stack = trace.stack;
    x_death->created_by = trace.created_by;
  }
}

// Who opened what is still open: by the creators of the goroutines that watch over it.
std::vector<OpenInGo> GoDump::open_now() const {
  std::map<std::pair<std::string, uint64_t>, OpenInGo> by_kind;  // what, kind of who opened it
  for (const auto& [parent, watcher] : x_watchers) {
    const ParsedTrace& trace = x_kinds.at(watcher);
    const auto there = parent == 0 ? x_kind_of.end() : x_kind_of.find(parent);
    const bool known = there != x_kind_of.end() && x_kinds.contains(there->second);
    // Without one the ancestors tell, where the runtime was asked to keep them.
    const bool ancestry = !trace.ancestors.empty();
    const uint64_t kind = known ? there->second : ancestry ? watcher : 0;
    OpenInGo& open = by_kind[{std::string(watched(trace)), kind}];
    ++open.count;
    if (open.count > 1) continue;
    open.what = watched(trace);
    open.ended = parent != 0 && there == x_kind_of.end();
    if (ancestry) open.opening = trace.ancestors.front();
    if (!known) continue;
    const ParsedTrace& opener = x_kinds.at(there->second);
    open.stack = opener.stack;
    open.state = opener.state;
    if (opener.wait_seconds) open.wait = WaitSeconds{*opener.wait_seconds, *opener.wait_seconds};
  }
  std::vector<OpenInGo> out;
  for (auto& [kind, open] : by_kind) out.push_back(std::move(open));
  std::stable_sort(out.begin(), out.end(),
                   [](const OpenInGo& a, const OpenInGo& b) { return a.count > b.count; });
  return out;
}

// A panic shows the goroutine that died alone, which tells nothing of growth.
void GoDump::keep(Captured dump) {
  const bool lone = dump.capture.goroutines == 1 && x_cause == Cause::kDeath;
  if (lone && x_first && !x_first_lone) return;
  if (x_first && !x_first_lone) {
    x_last = std::move(dump);
  } else {
    x_first = std::move(dump);
    x_first_lone = lone;
  }
  x_seen.open = open_now();
}

void GoDump::end_dump() {
  x_reader.finish();
  if (x_reader.read() > x_taken) took_goroutine();
  auto groups = x_reader.groups();
  uint64_t goroutines = x_reader.read();
  // Those that printed themselves soon after a dump are no part of it.
  std::erase_if(groups.groups, [&](const GoroutineGroup& group) {
    if (!printed_itself(group.stack)) return false;
    goroutines -= group.count;
    groups.counts.erase(group.key);
    return true;
  });
  if (x_death && (x_death_sure || !x_needs_goroutine)) {
    // Who was asked for a dump did not die of itself.
    x_seen.deaths += x_death->asked ? 0 : 1;
    if (!x_death->asked || !x_seen.died || x_seen.died->asked) x_seen.died = std::move(x_death);
  }
  // One goroutine that was printed there is a line of the service's own log, and no dump.
  const bool alone = goroutines == 1 && x_cause == Cause::kCaught;
  if (goroutines > 0 && !alone) {
    Captured dump;
    dump.name = "goroutine";
    dump.form = "dump";
    dump.capture.rung = "log";
    dump.capture.goroutines = goroutines;
    dump.capture.groups = std::move(groups.groups);
    dump.capture.others = groups.others;
    for (const auto& [key, count] : groups.counts)
      dump.values.emplace_back(key, static_cast<int64_t>(count));
    keep(std::move(dump));
  }
  start_anew();
}

void GoDump::start_anew() {
  x_reader = TraceReader();
  x_death.reset();
  x_taken = x_quiet = 0;
  x_cause = Cause::kNone;
  x_fresh = true;
  x_message_open = x_death_sure = x_death_told = false;
  x_dashes = x_other_threads = x_repeated = false;
  x_kinds.clear();
  x_kind_of.clear();
  x_watchers.clear();
}

void GoDump::finish() {
  end_dump();
  if (!x_first) return;
  if (x_last) x_last->capture = combine({*x_first, *x_last});
  x_seen.dump = std::move(x_last ? x_last : x_first);
}

}  // namespace unclosed
