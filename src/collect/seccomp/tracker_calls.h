// For tests of the tracker: a service's calls, and what looks at it show. One thread.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>

#include <vector>

#include "collect/seccomp/tracker.h"

namespace unclosed {

inline const ProcessId kService{42, 7};

// A service's calls, one after the other, each a millisecond after the last.
class Calls {
 public:
  TracedCall made(CallKind kind, int number, uint32_t thread, StackId stack) {
    TracedCall traced;
    traced.call.kind = kind;
    traced.call.number = number;
    traced.call.thread = thread;
    traced.call.at = now();
    traced.process = kService;
    traced.use = {stack, traced.call.at, {thread, 0}};
    return traced;
  }
  Instant opens(int number, uint32_t thread, StackId stack) {
    auto traced = made(CallKind::kOpens, number, thread, stack);
    traced.call.arguments = {AF_INET, SOCK_STREAM};
    tracker.note(traced);
    return traced.call.at;
  }
  // What the opening of that moment gave.
  void gave(uint32_t thread, Instant opened, int fd, Kind kind) {
    auto traced = made(CallKind::kGave, 0, thread, kNoStack);
    traced.call.at = traced.use.at = opened;
    traced.call.fd = fd;
    traced.call.on = {true, false, 0, kind, "/some/file"};
    tracker.note(traced);
  }
  void names(CallKind kind, uint32_t thread, uint64_t inode, StackId stack, int fd = 5) {
    auto traced = made(kind, __NR_sendto, thread, stack);
    traced.call.fd = fd;
    traced.call.on = {true, inode != 0, inode, inode != 0 ? Kind::kOther : Kind::kFile, {}};
    tracker.note(traced);
  }
  Instant now() { return {++x_milliseconds * 1'000'000}; }
  ConnectionFacts look(uint64_t inode, int fd = 5, Kind kind = Kind::kTcp) {
    const Instant began = now();
    ConnectionFacts facts;
    facts.id = {inode, 1};
    facts.kind = kind;
    facts.inode = inode;
    facts.before_attach = from_before;
    tracker.complete(facts, {{kService, fd}}, began);
    gone.clear();
    tracker.finish_look(began, [this](const Closed& closed) { gone.push_back(closed); });
    return facts;
  }

  explicit Calls(ToldCalls told = ToldCalls::kAll) : tracker(told) {}
  bool from_before = false;  // as a look says
  Tracker tracker;
  std::vector<Closed> gone;

 private:
  int64_t x_milliseconds = 0;
};

}  // namespace unclosed
