// What a service left behind of its trouble: errors in its log, the death of a process, holders
// that a pool itself reported, counters of pools. What was read, not what it means: judge/hunt.h
// says that. Text of the service is kept with its secrets cut; it may hold any byte, and is made
// printable where it is shown. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/goroutine.h"
#include "model/stack.h"

namespace unclosed {

// Kinds of errors that tell of connections.
enum class Trouble : uint8_t {
  kPoolExhausted,         // the pool of the client had none in time
  kServerFull,            // the server takes no more connections
  kDescriptorsExhausted,  // EMFILE, ENFILE
  kPortsExhausted,        // EADDRNOTAVAIL: no local port is left
  kLeakReported,          // a pool reports a connection that is not given back
  kLeakTakenBack,         // and that it was given back after all
  kIdleInTransaction,     // the server ended a transaction that was left open
  kDeadline,              // an operation took longer than its caller waited
  kStatementTimeout,      // the server gave up a statement, or waited too long for a lock
  kUseAfterClose,         // the pool, transaction or connection was closed before
  kRowsClosed,            // a result was read after its end
  kConnectionBusy,        // a statement was sent before the last result was read to its end
  kBadConnection,         // a connection of the pool was broken
  kHandlerPanic,          // a panic that a server caught: what the handler held stays held
  kOutOfMemory,
};
inline constexpr size_t kTroubles = static_cast<size_t>(Trouble::kOutOfMemory) + 1;
std::string_view to_string(Trouble kind);  // pool-exhausted, server-full, …
std::string_view meaning(Trouble kind);    // one sentence for a person

// All errors of one kind in one source.
struct LogError {
  Trouble kind = Trouble::kDeadline;
  uint64_t count = 0;
  uint64_t first_line = 0, last_line = 0;  // of the source, from 1
  std::string source;
  std::string from;  // who writes such words: "HikariCP"
  std::string text;  // the first of them
};

// The end of a process, as its runtime wrote it.
struct Death {
  std::string message;  // "runtime error: index out of range [5] with length 3"
  std::string how;      // panic, fatal error, SIGQUIT, SIGSEGV, …
  bool asked = false;   // SIGQUIT: somebody wanted the dump, and nothing went wrong by itself
  uint64_t line = 0;    // of the source, from 1
  std::string source;
  uint64_t goroutine = 0;         // 0: not told
  std::string state;              // of that goroutine
  std::vector<NamedFrame> stack;  // innermost first
  std::optional<NamedFrame> created_by;
};

// The own frame that is to be shown of it: behind the outermost panic, where it began, and not in a
// deferred function that panicked again. nullopt: there is none.
std::optional<NamedFrame> own_frame(const Death& death);

// A connection that the pool's own leak detection reported, with the stack under which it was
// borrowed. Equal stacks are counted together.
struct ReportedHold {
  std::string reporter;  // "HikariCP", "Druid", …
  std::string pool;      // "" when not told
  std::string thread;    // that borrowed it; of the first
  std::vector<NamedFrame> stack;
  // What its thread did when it was reported; empty: not told.
  std::vector<NamedFrame> doing;
  uint64_t count = 0, taken_back = 0;  // of `count`: given back after the report
  uint64_t first_line = 0;
  std::string source;
};

// Transactions and results of Go's database/sql that are open: each has a goroutine of the library
// that waits for its end, and whose creator is who opened it. Counted by what that one does now.
struct OpenInGo {
  std::string what;  // "transaction" or "result"
  uint64_t count = 0;
  std::vector<NamedFrame> stack;    // of who opened them, now; innermost first; empty: not known
  std::vector<NamedFrame> opening;  // and then, where GODEBUG=tracebackancestors told it
  bool ended = false;               // who opened them is not among the goroutines any more
  std::string state;                // "" unless it is there
  std::optional<WaitSeconds> wait;
};

// Counters of one pool at one moment. What the source does not say is absent.
struct PoolSample {
  std::string name;    // "" when not told
  std::string source;  // of which file
  std::string format;  // "sql.DBStats", "prometheus go_sql", "HikariCP's log", …
  uint64_t line = 0;   // of the source; 0: the whole of it
  std::optional<double> max, open, in_use, idle, waiting;
  std::optional<double> wait_count, wait_seconds;  // totals since the start
  std::optional<double> uses, use_seconds;         // totals: given back, and how long they were out
  std::optional<double> timeouts;                  // total of borrowers that gave up
};

// What a capture of counters says beside its pools.
struct ProcessGauges {
  std::string source;
  std::optional<double> open_descriptors, max_descriptors, goroutines;
};

// All that was read of one log or one capture of counters.
struct Account {
  std::string source;
  std::string what;  // "log", "counters"
  uint64_t lines = 0;
  std::vector<LogError> errors;  // by kind
  std::optional<Death> died;     // the last one
  uint64_t deaths = 0;
  std::vector<ReportedHold> holds;       // most frequent first
  std::vector<PoolSample> pools;         // in their order
  std::vector<ProcessGauges> gauges;     // in their order
  std::optional<GoroutineCapture> dump;  // the last; with growth where there was one before
  std::vector<OpenInGo> open_in_go;      // of the same dump, most frequent first
  std::vector<std::string> notes;        // what was not read, in sentences
};

}  // namespace unclosed
