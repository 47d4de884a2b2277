// Which function should have closed a connection. Never taken from one stack: the stacks of one
// tenure are brought together (common frame), then compared with what healthy connections do
// (discriminating frame, close site); where nothing decides, it is the last use or the opening, and
// where no own frame was seen it is nobody, with the reason. Immutable after construction; one
// thread at a time (it remembers answers).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "judge/ancestry.h"
#include "judge/scene.h"
#include "model/finding.h"

namespace unclosed {

struct Blamed {
  FunctionId function = 0;
  Site site;
  BlameRole role = BlameRole::kUsed;
  std::string rule;
  double confidence = 0;
};

// Whether a use belongs to the present tenure of the connection.
bool same_tenure(const ConnectionFacts& facts, const std::optional<Use>& use);

class Blamer {
 public:
  // The rules where nothing but the last use itself named the line; the second where that was to
  // be given its end.
  static constexpr const char* kLastUse = "last use";
  static constexpr const char* kToldOfEnd = "was told here that the peer had ended it";
  static bool by_last_use_alone(std::string_view rule) {
    return rule == kLastUse || rule == kToldOfEnd;
  }

  explicit Blamer(const Scene& scene);
  // nullopt: no own frame was seen on any stack of it.
  std::optional<Blamed> blame(const Member& member) const;
  // Who holds it now, by memory: for those that nobody is blamed for by their stacks.
  std::optional<Blamed> holder_of(const Member& member) const;
  // The frame of the last use that its goroutine has come back to and waits in now, by memory:
  // where nothing but that use named the line. nullopt: it ended, moved on, or never left the use.
  std::optional<Blamed> came_back_to(const Member& member) const;
  // Whether all stacks that tell who has it now were taken: none was sampled out or lost.
  bool complete(const ConnectionFacts& facts) const;
  // Whether a stack of the present tenure passes the function.
  bool passes_through(const Member& member, const std::string& function,
                      const std::string& file) const;
  // Why there is no blame, and what would name the line.
  std::string why_not(const Member& member) const;
  // A frame that connections pass through on the way to different owners: main, an accept loop,
  // middleware.
  bool dispatches(FunctionId function) const { return x_dispatchers.contains(function); }

 private:
  // The stacks that tell who has a connection now: those of the present tenure.
  struct Stack {
    StackId id = kNoStack;
    const StackView* view = nullptr;
  };
  struct Tenure {
    Stack last;                   // of the last request, else of the opening
    std::vector<Stack> requests;  // the one before, when of the same tenure
    Stack opened, received;       // view is nullptr when not of this tenure
    Stack asked;                  // of what was received before the last answer, where accepted
    BlameRole role = BlameRole::kUsed;
    bool library_sends = false;  // requests were seen, none with an own frame
    bool unused = false;         // accepted, and nobody was seen using it
    bool by_thread = false;      // no goroutine tells one borrower from the next
    bool sender = false;         // requests are sent for others by a goroutine of its own
    bool at_home = false;        // who opened it belongs to that sender
    bool keeps = false;          // what was handed out has not been handed back
    bool told = false;           // `last` is where the end was given, `requests` the last request
  };
  struct Closing {
    const StackView* used = nullptr;
    const StackView* opened = nullptr;
    const StackView* closed = nullptr;
    uint64_t count = 0;
  };
  struct Healthy {
    std::map<StackId, uint64_t> uses;
    std::map<StackId, uint64_t> left_alone;  // last uses of candidates
    std::map<std::tuple<StackId, StackId, StackId>, Closing> closings, hand_backs;
  };
  struct Choice {
    size_t place = 0;  // in the view of the last use
    std::string rule;
    double confidence = 0;
    // One function made the last request and awaited its answer, and no more is known.
    bool talks = false;
  };

  static constexpr uint64_t kFewHealthy = 3;  // healthy uses needed to tell leaked ones apart

  static Role role_of(const ConnectionFacts& facts);
  const Use* hand_out(const ConnectionFacts& facts) const;
  const Use* told_last(const ConnectionFacts& facts) const;
  std::optional<Blamed> trust(std::optional<Blamed> blamed, const ConnectionFacts& facts) const;
  Tenure tenure_of(const ConnectionFacts& facts) const;
  Stack own(StackId id) const { return {id, x_scene.stacks.own_view(id)}; }
  Stack standing(const ConnectionFacts& facts, StackId id) const;
  void learn_dispatchers();
  std::set<FunctionId> owners() const;
  std::optional<Blamed> by_ancestry(const ConnectionFacts& facts) const;
  std::optional<Blamed> by_copy(const Member& member) const;
  void learn_habits();
  enum class Before { kRequested, kOpened };
  bool by_chance(StackId last, StackId other, Before what) const;
  void distrust(Tenure& tenure) const;
  bool sends_for_another(const ConnectionFacts& facts, const Tenure& tenure) const;
  void look_behind_sender(const ConnectionFacts& facts, Tenure& tenure) const;
  bool forgotten(const Cohort& cohort, const ClosedSample& sample) const;
  void learn_healthy();
  void add_healthy(const Member& member);
  void learn_hand_backs();
  bool keeps(const ConnectionFacts& facts, const Use& handed) const;
  void add_hand_back(const ConnectionFacts& facts);
  void add_borrowed_by_many();
  void learn_askers();
  Choice meet(const Tenure& tenure) const;
  Choice meet_request(const Tenure& tenure, const Choice& choice) const;
  Choice look_behind_helper(const ConnectionFacts& facts, const Tenure& tenure,
                            const Choice& choice) const;
  Choice compare(const Tenure& tenure, Choice common, const Healthy& healthy) const;
  std::optional<size_t> discriminating(const StackView& view, size_t place,
                                       const Healthy& healthy) const;
  struct CloseSite {
    bool here = false;            // siblings are closed below the frame
    bool left_behind = false;     // no sibling that was closed was last used below it
    std::optional<size_t> place;  // the deepest frame of the view in which they are closed
  };
  CloseSite close_site(const Tenure& tenure, size_t place, const Healthy& healthy) const;

  const Scene& x_scene;
  Ancestry x_ancestry;
  // Of the candidates whose last use was one stack: which request came before, who opened them.
  struct Habit {
    uint64_t connections = 0;
    std::map<StackId, uint64_t> before, opened;
  };
  std::set<FunctionId> x_dispatchers;
  bool x_few_ways = true;  // too few ways to a last use are known to tell a dispatcher
  std::map<StackId, Habit> x_habits;
  std::set<StackId> x_left_requests;     // made in the last tenure of candidates
  std::set<FunctionId> x_alive_senders;  // alone on the stack of a connection in use
  // By whom each peer is asked: the innermost own function of the requests, and its callers.
  std::map<std::tuple<Kind, Role, Endpoint>, std::map<FunctionId, std::set<FunctionId>>> x_askers;
  mutable std::map<StackId, StackView> x_outside;
  // Hand-backs are watched for a while only: until the last that was seen. Of those left alone
  // since they were handed out under a stack in that time: how many were kept, and how many handed back.
  std::map<ProcessId, Instant> x_last_hand_back;
  std::map<StackId, std::pair<uint64_t, uint64_t>> x_kept;
  std::set<StackId> x_ends;  // last uses of connections that were given back or closed
  std::map<std::pair<Kind, Role>, Healthy> x_healthy;
  mutable std::map<std::vector<uint64_t>, std::optional<Blamed>> x_known;
};

}  // namespace unclosed
