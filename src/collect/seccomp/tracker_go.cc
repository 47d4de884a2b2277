// What is known of a Go service, of which fewer calls are told.
#include <sys/syscall.h>

#include "collect/seccomp/tracker.h"

namespace unclosed {
namespace {

constexpr size_t kMostNumbered = 65536;

}  // namespace

// Go adds every socket and pipe to its epoll as soon as it has the number.
void Tracker::note_watch(const TracedCall& traced) {
  if (x_numbered.size() >= kMostNumbered) x_numbered.clear();
  Numbered& entry = x_numbered[{traced.process, traced.call.fd}];
  entry = {{}, {__NR_accept4, {}, traced.process, traced.use, {}, {}, {}}, traced.use.at};
  const auto own = x_last.find(traced.call.thread);
  if (own != x_last.end() && own->second.process == traced.process) entry.told = own->second;
}

// Of one that was told: at its address, as soon as a look has told that.
void Tracker::note_accept(const Story& story, const ConnectionFacts& facts) {
  constexpr size_t kMostAddresses = 1024, kMostStacks = 8;
  if (!story.accepted || story.facts.opened.stack == kNoStack) return;
  auto& addresses = x_accepts[story.facts.opener];
  const std::string address = facts.local.known() ? facts.local.to_string() : facts.name;
  if (addresses.size() >= kMostAddresses && !addresses.contains(address)) return;
  auto& stacks = addresses[address];
  if (stacks.size() < kMostStacks) stacks.insert(story.facts.opened.stack);
}

// The stack by which all others came that this process accepted at the address; of an address of
// which nothing was told, that of all of them.
StackId Tracker::accepted_like(const ConnectionFacts& facts) const {
  if (x_told != ToldCalls::kOfGo || facts.role != Role::kServer) return kNoStack;
  const auto process = x_accepts.find(facts.opener);
  if (process == x_accepts.end()) return kNoStack;
  const auto here =
      process->second.find(facts.local.known() ? facts.local.to_string() : facts.name);
  const auto only = [](const std::set<StackId>& stacks) {
    return stacks.size() == 1 ? *stacks.begin() : kNoStack;
  };
  if (here != process->second.end()) return only(here->second);
  std::set<StackId> stacks;
  for (const auto& [address, some] : process->second) stacks.insert(some.begin(), some.end());
  return only(stacks);
}

// Where not every close is told, a number may be open on another file than it was.
bool Tracker::another_file(const Story& story, const OpenOn& on) const {
  if (x_told == ToldCalls::kAll || on.socket || !story.looked_at) return false;
  return story.facts.kind != on.kind || story.facts.name != on.name;
}

// The same for one that looks as it did: an opening that came later may be its own.
void Tracker::doubt_opening(Story& story, const ConnectionFacts& facts, const ProcessId& process) {
  if (x_told == ToldCalls::kAll || is_socket(facts.kind) || !story.opening_known) return;
  const auto may_be = [&](const Opening& one) {
    return one.process == process && one.use.at > story.facts.opened.at &&
           one.use.stack != story.facts.opened.stack &&
           fits(one, facts.kind, facts.role, facts.name);
  };
  bool doubt = false;
  for (const auto& [thread, one] : x_last) doubt = doubt || may_be(one);
  for (const auto& [key, one] : x_loose[process]) doubt = doubt || may_be(one.opening);
  if (!doubt) return;
  story.opening_known = false;
  story.facts.opened = {};
}

}  // namespace unclosed
