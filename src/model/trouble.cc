#include "model/trouble.h"

#include <algorithm>

namespace unclosed {

std::string_view to_string(Trouble kind) {
  switch (kind) {
    case Trouble::kPoolExhausted:
      return "pool-exhausted";
    case Trouble::kServerFull:
      return "server-full";
    case Trouble::kDescriptorsExhausted:
      return "descriptors-exhausted";
    case Trouble::kPortsExhausted:
      return "ports-exhausted";
    case Trouble::kLeakReported:
      return "leak-reported";
    case Trouble::kLeakTakenBack:
      return "leak-taken-back";
    case Trouble::kIdleInTransaction:
      return "idle-in-transaction";
    case Trouble::kDeadline:
      return "deadline";
    case Trouble::kStatementTimeout:
      return "statement-timeout";
    case Trouble::kUseAfterClose:
      return "use-after-close";
    case Trouble::kRowsClosed:
      return "rows-closed";
    case Trouble::kConnectionBusy:
      return "connection-busy";
    case Trouble::kBadConnection:
      return "bad-connection";
    case Trouble::kHandlerPanic:
      return "handler-panic";
    case Trouble::kOutOfMemory:
      return "out-of-memory";
  }
  return "deadline";
}

std::string_view meaning(Trouble kind) {
  switch (kind) {
    case Trouble::kPoolExhausted:
      return "the pool had no connection in time: all were in use";
    case Trouble::kServerFull:
      return "the server takes no more connections";
    case Trouble::kDescriptorsExhausted:
      return "no descriptor was left (EMFILE)";
    case Trouble::kPortsExhausted:
      return "no local port was left (EADDRNOTAVAIL)";
    case Trouble::kLeakReported:
      return "the pool itself reports connections that were not given back";
    case Trouble::kLeakTakenBack:
      return "connections reported as leaked were given back after all: they were held for long";
    case Trouble::kIdleInTransaction:
      return "the server ended transactions that were left open without work";
    case Trouble::kDeadline:
      return "operations took longer than their callers waited";
    case Trouble::kStatementTimeout:
      return "the server gave up statements that ran or waited for locks too long";
    case Trouble::kUseAfterClose:
      return "something was used after it had been closed";
    case Trouble::kRowsClosed:
      return "results were read after they had been closed";
    case Trouble::kConnectionBusy:
      return "statements were sent before the last result was read to its end, or by two at once";
    case Trouble::kBadConnection:
      return "connections of the pool were broken";
    case Trouble::kHandlerPanic:
      return "panics that the server caught: what their handlers had borrowed may never come back";
    case Trouble::kOutOfMemory:
      return "memory was used up";
  }
  return "";
}

std::optional<NamedFrame> own_frame(const Death& death) {
  const auto panics = [](const NamedFrame& frame) {
    return frame.function == "panic" || frame.function == "runtime.gopanic" ||
           frame.function == "runtime.sigpanic";
  };
  const auto outermost = std::find_if(death.stack.rbegin(), death.stack.rend(), panics);
  const auto own = std::find_if(outermost.base(), death.stack.end(),
                                [](const NamedFrame& frame) { return frame.own; });
  if (own != death.stack.end() && outermost != death.stack.rend()) return *own;
  const auto any = std::find_if(death.stack.begin(), death.stack.end(),
                                [](const NamedFrame& frame) { return frame.own; });
  if (any == death.stack.end()) return std::nullopt;
  return *any;
}

}  // namespace unclosed
