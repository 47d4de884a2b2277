// Where stacks are missing: how far the others are to be trusted, and why nobody is blamed.
#include <fmt/format.h>

#include <algorithm>

#include "judge/blame.h"
#include "model/unnamed.h"

namespace unclosed {
namespace {

// What a language's own tools tell of what this cannot name.
std::string_view further_help(std::string_view runtime) {
  if (runtime.starts_with("python")) {
    return "; `python3 -X tracemalloc=10 -W default::ResourceWarning` prints where one that nobody "
           "refers to any more was made";
  }
  if (runtime == "java") {
    return "; a heap dump (`jcmd PID GC.heap_dump FILE`) shows who refers to it";
  }
  if (runtime.starts_with("node")) {
    return "; a heap snapshot (`node --heapsnapshot-signal=SIGUSR2`) shows who refers to it";
  }
  return "";
}

}  // namespace

bool same_tenure(const ConnectionFacts& facts, const std::optional<Use>& use) {
  if (!use) return false;
  if (!facts.tenure) return true;
  return use->at >= facts.tenure->at && use->by.same_as(facts.tenure->by);
}

bool Blamer::complete(const ConnectionFacts& facts) const {
  if (hand_out(facts) != nullptr) return true;
  const auto missing = [&](const std::optional<Use>& use) { return use && use->stack == kNoStack; };
  if (missing(facts.requests[0])) return false;
  if (missing(facts.requests[1]) && same_tenure(facts, facts.requests[1])) return false;
  const bool opening_tells = facts.opening_in_tenure || !facts.requests[0];
  return facts.before_attach || !opening_tells || facts.opened.stack != kNoStack;
}

bool Blamer::passes_through(const Member& member, const std::string& function,
                            const std::string& file) const {
  const auto& facts = *member.facts;
  const auto passes = [&](StackId id) {
    const auto* view = own(id).view;
    return view != nullptr &&
           std::any_of(view->own.begin(), view->own.end(), [&](const OwnFrame& frame) {
             return frame.frame->function == function && frame.frame->file == file;
           });
  };
  if (const auto* told = told_last(facts)) return passes(told->stack);
  const bool by_goroutine = facts.tenure && facts.tenure->by.goroutine != 0;
  for (const auto& request : facts.requests) {
    if (same_tenure(facts, request) && passes(request->stack)) return true;
    if (!by_goroutine) break;
  }
  const bool of_last =
      facts.first_receive && facts.requests[0] && facts.first_receive->at >= facts.requests[0]->at;
  if (of_last && same_tenure(facts, facts.first_receive) && passes(facts.first_receive->stack)) {
    return true;
  }
  const bool own_opening = facts.opening_in_tenure || !facts.requests[0];
  return own_opening && facts.role != Role::kServer && passes(facts.opened.stack);
}

// Where stacks are missing, the others may meet in the wrong place.
std::optional<Blamed> Blamer::trust(std::optional<Blamed> blamed,
                                    const ConnectionFacts& facts) const {
  constexpr double kUnsure = 0.6;
  if (!blamed || complete(facts)) return blamed;
  blamed->rule += "; other stacks of it were not taken";
  blamed->confidence *= kUnsure;
  return blamed;
}

// An accepted connection on which a goroutine or thread sends that does nothing else, while others
// close its siblings: whoever is given the end has it, and that was not seen.
bool Blamer::sends_for_another(const ConnectionFacts& facts, const Tenure& tenure) const {
  if (facts.role != Role::kServer || tenure.told || tenure.role != BlameRole::kUsed ||
      tenure.last.view->own.size() != 1) {
    return false;
  }
  const auto healthy = x_healthy.find({facts.kind, role_of(facts)});
  if (healthy == x_healthy.end()) return false;
  const FunctionId sender = tenure.last.view->own.front().function;
  uint64_t by_others = 0;
  uint64_t by_sender = 0;  // also where it was in a call when another closed: Go closes behind it
  for (const auto& [key, closing] : healthy->second.closings) {
    if (closing.used->own.front().function != sender) continue;
    const bool itself = closing.closed->own.front().function == sender;
    (itself ? by_sender : by_others) += closing.count;
  }
  return by_others >= kFewHealthy && by_others >= 5 * by_sender;
}

std::string Blamer::why_not(const Member& member) const {
  const auto& facts = *member.facts;
  const auto process = x_scene.histories.processes.find(facts.opener);
  const bool known = process != x_scene.histories.processes.end();
  std::string library;
  std::optional<std::string> unnamed;
  bool any = false;
  if (facts.requests[0]) {
    const auto* view = x_scene.stacks.own_view(facts.requests[0]->stack);
    if (view != nullptr && facts.role == Role::kServer) {
      return fmt::format(
          "{} sends on it, from a goroutine or thread of its own, and others close its siblings: "
          "whoever was given its end has it, which was not seen (the bpf rung sees it)",
          view->own.back().frame->function);
    }
    if (view != nullptr) {
      return fmt::format(
          "{} sends for others, from a goroutine or thread of its own, and the opening shows no "
          "caller outside of it",
          view->own.back().frame->function);
    }
  }
  if (facts.requests[0] && facts.requests[0]->stack == kNoStack && hand_out(facts) == nullptr) {
    return "the stack of its last request was not taken, and who opened it may have handed it on; "
           "a longer window, or a larger `--budget`, would name it";
  }
  const auto look = [&](StackId id) {
    const auto* view = x_scene.stacks.view(id);
    if (view == nullptr) return;
    any = true;
    if (library.empty()) library = view->library;
    if (known && !unnamed) unnamed = unnamed_place(view->named->frames, process->second.exe);
  };
  for (const auto& request : facts.requests) {
    if (request) look(request->stack);
  }
  for (const auto& handed : facts.borrowed) {
    if (handed) look(handed->stack);
  }
  look(facts.opened.stack);
  if (any && known && is_interpreter(process->second.exe) &&
      !process->second.runtime.starts_with("go")) {
    return fmt::format(
        "its stacks hold the interpreter's own frames alone: which line of the program that it "
        "runs stood behind them is not read{}",
        further_help(process->second.runtime));
  }
  if (unnamed) {
    return fmt::format(
        "the innermost frame of the program itself is {}, and the program has neither symbols nor "
        "line tables: build it with -g, or put its debug file beside it (as its .gnu_debuglink "
        "names it) or below /usr/lib/debug, or set DEBUGINFOD_URLS",
        *unnamed);
  }
  if (any) {
    return fmt::format(
        "its stacks hold no frame of the user's own code (innermost: {}): a library opens and uses "
        "it on a thread or goroutine of its own; `--own PATTERN` tells more code to be the user's",
        library);
  }
  if (facts.before_attach) {
    return "opened and last used before the attach; it will be named when it is used again, or run "
           "the service under `unclosed run`";
  }
  return "no stack of it was taken; a longer window, or a larger `--budget`, would name it";
}

std::optional<Blamed> Blamer::by_ancestry(const ConnectionFacts& facts) const {
  const auto starter = x_ancestry.of(facts);
  if (!starter || dispatches(starter->frame->function)) return std::nullopt;
  return Blamed{starter->frame->function, site_of(*starter->frame->frame), starter->role,
                "ancestry: started the goroutine or thread, whose stack is library code alone",
                0.6};
}

}  // namespace unclosed
