#include "judge/blame.h"

#include <fmt/format.h>

#include <algorithm>

#include "judge/findings.h"
#include "judge/sender.h"

namespace unclosed {
namespace {

constexpr const char* kCloseSite = "close site: siblings are closed in this function";
constexpr const char* kHandBackSite = "close site: siblings are closed or handed back in this function";
constexpr double kExclusive = 0.05;  // of healthy ones may pass a frame that "only leaked ones" do
constexpr uint64_t kManyHealthy = 10;  // healthy uses needed to compare shares
constexpr double kLast = 0.8;          // confidence where nothing but the last use names the line

bool is_entry(const OwnFrame& frame) {
  const std::string& name = frame.frame->function;
  return name == "main" || name == "main.main" || name.ends_with("::main");
}

bool passes(const StackView& view, FunctionId function) {
  return place_of(view, function).has_value();
}

// Whether the two stacks part behind one and the same call, and whoever closed is not on the stack
// of the closing any more: its last call, the closing, was made as a jump. Then it is behind that
// call, in the function that the other stack shows there.
bool hides_closer(const StackView& view, const StackView& closed, size_t length) {
  if (closed.truncated || closed.own.size() != length || length >= view.own.size()) return false;
  // Go's compiler makes no such jumps; its deferred calls all return to one address.
  if (view.own[length - 1].frame->file.ends_with(".go")) return false;
  const Frame& call = view.own[length - 1].place;
  return call.module != kNoModule && call == closed.own[length - 1].place;
}

}  // namespace

Blamer::Blamer(const Scene& scene) : x_scene(scene), x_ancestry(scene) {
  learn_hand_backs();
  learn_dispatchers();
  learn_habits();
  learn_healthy();
  learn_askers();
}

// What is handed out by a probed library is a client, also where nobody saw it connect.
Role Blamer::role_of(const ConnectionFacts& facts) {
  return facts.borrowed[0] ? Role::kClient : facts.role;
}

// The last hand-out, where its caller is known and nothing of the user's own was sent since.
const Use* Blamer::hand_out(const ConnectionFacts& facts) const {
  const auto& handed = facts.borrowed[0];
  if (!handed || own(handed->stack).view == nullptr) return nullptr;
  for (const auto& request : facts.requests) {
    if (request && request->at > handed->at && own(request->stack).view != nullptr) return nullptr;
  }
  return &*handed;
}

// Who was given the end of an accepted connection has had it last. Not where a peer that had ended
// its own side alone was answered since; what is sent to one that is gone comes back as a reset.
const Use* Blamer::told_last(const ConnectionFacts& facts) const {
  const auto& told = facts.told_of_end;
  if (!told || own(told->stack).view == nullptr) return nullptr;
  const auto& newest = facts.requests[0];
  const bool answered = newest && newest->at > told->at && facts.state != TcpState::kClose;
  return answered ? nullptr : &*told;
}

// The stack of an opening or a request; none where it stands for nobody: a client library dialled
// there by the user's own code, and has used or handed out the connection since.
Blamer::Stack Blamer::standing(const ConnectionFacts& facts, StackId id) const {
  const Stack stack = own(id);
  if (stack.view == nullptr || !stack.view->dials_for_all) return stack;
  const auto by_another = [&](const std::optional<Use>& use) {
    if (!use) return false;
    const StackView* view = x_scene.stacks.view(use->stack);
    return view == nullptr || !view->dials_for_all;
  };
  const bool passed_on =
      facts.borrowed[0] || std::any_of(facts.requests.begin(), facts.requests.end(), by_another);
  return passed_on ? Stack() : stack;
}

Blamer::Tenure Blamer::tenure_of(const ConnectionFacts& facts) const {
  Tenure tenure;
  if (const auto* handed = hand_out(facts)) {
    // Each hand-out begins a tenure; what the library sent and dialled itself tells nothing.
    tenure.last = own(handed->stack);
    tenure.role = BlameRole::kBorrowed;
    tenure.keeps = keeps(facts, *handed);
    return tenure;
  }
  if (const auto* told = told_last(facts)) {
    tenure.last = own(told->stack);
    tenure.told = true;
    const auto& newest = facts.requests[0];
    if (newest && newest->at < told->at && newest->by.same_as(told->by)) {
      const auto stack = standing(facts, newest->stack);
      if (stack.view != nullptr) tenure.requests.push_back(stack);
    }
    tenure.by_thread = told->by.goroutine == 0;
    return tenure;
  }
  bool requested = false;
  bool lost = false;  // who made the last request is not known: an earlier borrower does not tell
  for (const auto& request : facts.requests) {
    if (!request) continue;
    requested = true;
    lost |= x_scene.stacks.view(request->stack) == nullptr;
    const auto stack = standing(facts, request->stack);
    if (stack.view == nullptr) continue;
    if (tenure.last.view == nullptr) {
      // One thread that does everything never ends its tenure: an earlier borrower may have.
      const bool by_goroutine = facts.tenure && facts.tenure->by.goroutine != 0;
      if (lost && !(by_goroutine && same_tenure(facts, request))) break;
      tenure.last = stack;
    } else if (tenure.requests.empty() && same_tenure(facts, request)) {
      tenure.requests.push_back(stack);
    }
  }
  // One from before the last request belongs to an earlier one.
  const auto& newest = facts.requests[0];
  if (facts.first_receive && same_tenure(facts, facts.first_receive) &&
      (!newest || facts.first_receive->at >= newest->at)) {
    tenure.received = own(facts.first_receive->stack);
  } else if (facts.role == Role::kServer && same_tenure(facts, facts.first_receive)) {
    tenure.asked = own(facts.first_receive->stack);
  }
  const Stack opened = standing(facts, facts.opened.stack);
  if (tenure.last.view == nullptr && facts.role == Role::kServer && facts.first_receive) {
    // Accepted, read from, never answered: the reader is nearer to the owner than the accept loop.
    tenure.last = own(facts.first_receive->stack);
    tenure.received = {};
  }
  const bool own_opening = facts.opening_in_tenure && facts.role != Role::kServer;
  if (tenure.last.view == nullptr && !(lost && !own_opening)) {
    tenure.last = opened;
    tenure.role = BlameRole::kOpened;
    tenure.library_sends = requested;
    tenure.unused = facts.role == Role::kServer && !requested;
  } else if (tenure.last.view != nullptr && facts.opening_in_tenure &&
             facts.role != Role::kServer) {
    // Accepting is everybody's work; dialling is done for somebody.
    tenure.opened = opened;
  }
  tenure.by_thread = !facts.tenure || facts.tenure->by.goroutine == 0;
  return tenure;
}

bool Blamer::by_chance(StackId last, StackId other, Before what) const {
  constexpr double kAlways = 0.9;
  // What healthy connections do last ends a tenure; it begins none.
  if (what == Before::kRequested && other != last && x_ends.contains(other)) return true;
  const auto found = x_habits.find(last);
  if (found == x_habits.end() || found->second.connections < 3) return false;
  const auto& seen = what == Before::kOpened ? found->second.opened : found->second.before;
  const auto count = seen.find(other);
  return count == seen.end() || static_cast<double>(count->second) <
                                    kAlways * static_cast<double>(found->second.connections);
}

// Where a goroutine of the connection's own sends for all, whoever opened it has it.
void Blamer::look_behind_sender(const ConnectionFacts& facts, Tenure& tenure) const {
  if (tenure.role != BlameRole::kUsed || tenure.last.view->own.size() != 1) return;
  const auto& frame = tenure.last.view->own.front();
  const auto* sender = own_sender(x_scene.stacks, facts, x_alive_senders.contains(frame.function));
  if (sender == nullptr) return;
  const Stack opened = standing(facts, facts.opened.stack);
  tenure = {};
  tenure.sender = true;
  tenure.role = BlameRole::kOpened;
  if (opened.view == nullptr) return;
  auto outside = outside_of(*opened.view, home_of(sender->frame->function));
  if (!outside) {
    tenure.at_home = true;
    tenure.last = opened;
    return;
  }
  const auto place = x_outside.insert_or_assign(opened.id, *std::move(outside)).first;
  tenure.last = {opened.id, &place->second};
}

void Blamer::distrust(Tenure& tenure) const {
  if (!tenure.by_thread) return;
  if (!tenure.requests.empty() &&
      by_chance(tenure.last.id, tenure.requests.front().id, Before::kRequested)) {
    tenure.requests.clear();
  }
  if (tenure.opened.view != nullptr &&
      by_chance(tenure.last.id, tenure.opened.id, Before::kOpened)) {
    tenure.opened = {};
  }
}

// The deepest own frame that the stacks of the tenure have in common. Where they meet only in a
// dispatcher, they belong to different owners after all, and fewer of them are asked.
Blamer::Choice Blamer::meet(const Tenure& tenure) const {
  const StackView& last = *tenure.last.view;
  if (tenure.role == BlameRole::kBorrowed) {
    return {last.own.size() - 1, fmt::format("borrowed: the caller of {}", last.library), 0.9};
  }
  struct Ask {
    bool before, opened, received;
  };
  constexpr Ask kAsks[] = {{true, true, true},  {true, true, false},  {false, true, true},
                           {true, false, true}, {false, true, false}, {true, false, false},
                           {false, false, true}};
  for (const auto& ask : kAsks) {
    const bool before = ask.before && !tenure.requests.empty();
    const bool opened = ask.opened && tenure.opened.view != nullptr;
    const bool received = ask.received && tenure.received.view != nullptr;
    if (before + opened + received == 0) continue;
    size_t length = last.own.size();
    if (before) length = std::min(length, common_length(last, *tenure.requests.front().view));
    if (opened) length = std::min(length, common_length(last, *tenure.opened.view));
    if (received) length = std::min(length, common_length(last, *tenure.received.view));
    if (length == 0) continue;
    const bool innermost = length == last.own.size();
    if (!innermost && dispatches(last.own[length - 1].function)) continue;
    std::string rule = "common frame of ";
    if (opened) rule += "the opening";
    if (opened && !before && !received) rule += " and ";
    if (opened && (before || received)) rule += ", ";
    rule += before && !tenure.told ? "the last two requests" : "the last request";
    if (tenure.told) rule += " and of being told of the end";
    if (received) rule += " and its answer";
    const bool talks = innermost && !before && !opened;
    return {length - 1, rule, talks ? kLast : 0.95, talks};
  }
  if (tenure.sender) {
    return {last.own.size() - 1, "opening, outside of the code whose goroutine or thread sends",
            0.7};
  }
  if (tenure.unused) {
    return {last.own.size() - 1, "accepted here: who was to close it was not seen using it", 0.5};
  }
  if (tenure.role == BlameRole::kOpened) {
    return {last.own.size() - 1,
            tenure.library_sends ? "opening (requests are sent by library code)" : "opening",
            tenure.library_sends ? 0.5 : 0.8};
  }
  return {last.own.size() - 1, tenure.told ? kToldOfEnd : kLastUse, kLast};
}

// The one function by which several callers ask a peer, on connections that were opened elsewhere:
// it was given the connection, and its caller has it.
Blamer::Choice Blamer::look_behind_helper(const ConnectionFacts& facts, const Tenure& tenure,
                                          const Choice& choice) const {
  constexpr size_t kSeveral = 2;
  const Stack opened = standing(facts, facts.opened.stack);
  if (!choice.talks || choice.place == 0 || role_of(facts) != Role::kClient ||
      facts.before_attach || opened.view == nullptr) {
    return choice;
  }
  const auto askers = x_askers.find({facts.kind, Role::kClient, facts.peer});
  if (askers == x_askers.end() || askers->second.size() != 1 ||
      askers->second.begin()->second.size() < kSeveral) {
    return choice;
  }
  const StackView& last = *tenure.last.view;
  const OwnFrame& helper = last.own[choice.place];
  const OwnFrame& caller = last.own[choice.place - 1];
  if (passes(*opened.view, helper.function) || dispatches(caller.function) || is_entry(caller)) {
    return choice;
  }
  return {choice.place - 1,
          fmt::format("caller of {}, by which all ask on connections that were opened elsewhere",
                      helper.frame->function),
          0.7};
}

// An answer that nothing else explains: whoever read the request and gave the answer has the
// client.
Blamer::Choice Blamer::meet_request(const Tenure& tenure, const Choice& choice) const {
  if (choice.rule != kLastUse || tenure.asked.view == nullptr) return choice;
  const StackView& last = *tenure.last.view;
  const size_t length = common_length(last, *tenure.asked.view);
  if (length == 0 || length == last.own.size() || dispatches(last.own[length - 1].function)) {
    return choice;
  }
  return {length - 1, "common frame of the request and its answer", 0.85};
}

std::optional<size_t> Blamer::discriminating(const StackView& view, size_t place,
                                             const Healthy& healthy) const {
  const FunctionId helper = view.own[place].function;
  std::vector<uint64_t> passing(place);
  std::vector<uint64_t> left(place);
  uint64_t uses = 0;
  uint64_t left_uses = 0;
  const auto count = [&](const std::map<StackId, uint64_t>& stacks, std::vector<uint64_t>& through,
                         uint64_t& all) {
    for (const auto& [id, number] : stacks) {
      const auto* other = x_scene.stacks.own_view(id);
      if (other == nullptr || !passes(*other, helper)) continue;
      all += number;
      for (size_t i = 0; i < place; ++i) {
        if (passes(*other, view.own[i].function)) through[i] += number;
      }
    }
  };
  count(healthy.uses, passing, uses);
  count(healthy.left_alone, left, left_uses);
  if (uses < kFewHealthy) return std::nullopt;
  for (size_t i = place; i-- > 0;) {
    if (static_cast<double>(passing[i]) <= kExclusive * static_cast<double>(uses)) return i;
  }
  if (uses < kManyHealthy || left_uses < kFewHealthy) return std::nullopt;
  // Nobody passes only leaked ones through: then the frame that nearly all leaked ones pass and the
  // least part of the healthy ones.
  std::optional<size_t> best;
  for (size_t i = place; i-- > 0;) {
    if (dispatches(view.own[i].function)) continue;
    if (static_cast<double>(passing[i]) > 0.5 * static_cast<double>(uses)) continue;
    if (static_cast<double>(left[i]) < 0.9 * static_cast<double>(left_uses)) continue;
    if (!best || passing[i] < passing[*best]) best = i;
  }
  return best;
}

Blamer::CloseSite Blamer::close_site(const Tenure& tenure, size_t place,
                                     const Healthy& healthy) const {
  constexpr double kSome = 0.03;
  constexpr double kMost = 0.5;
  const StackView& view = *tenure.last.view;
  const FunctionId helper = view.own[place].function;
  CloseSite site;
  uint64_t here = 0;
  uint64_t used = 0;
  uint64_t all = 0;
  std::map<size_t, uint64_t> votes;
  const auto count = [&](const Closing& closing) {
    const bool shares = passes(*closing.used, helper) ||
                        (closing.opened != nullptr && passes(*closing.opened, helper));
    if (!shares) return;
    all += closing.count;
    if (passes(*closing.closed, helper)) here += closing.count;
    if (passes(*closing.used, helper)) used += closing.count;
    size_t length = common_length(view, *closing.closed);
    if (length == 0) return;
    if (hides_closer(view, *closing.closed, length)) ++length;
    // What one branch of main opens and another closes is not main's.
    const bool branches = length < closing.closed->own.size() && is_entry(view.own[0]);
    if (!(length == 1 && branches) && !dispatches(view.own[length - 1].function)) {
      votes[length - 1] += closing.count;
    }
  };
  for (const auto& [key, closing] : healthy.closings) count(closing);
  if (tenure.keeps) {
    for (const auto& [key, closing] : healthy.hand_backs) count(closing);
  }
  site.here = here > 0 && here * 2 >= all;
  site.left_behind = used == 0 && all >= kManyHealthy;
  for (const auto& [where, votes_here] : votes) {
    const double needed = where > place ? kMost : kSome;
    if (static_cast<double>(votes_here) >= needed * static_cast<double>(all)) site.place = where;
  }
  return site;
}

Blamer::Choice Blamer::compare(const Tenure& tenure, Choice common, const Healthy& healthy) const {
  const StackView& view = *tenure.last.view;
  const auto site = close_site(tenure, common.place, healthy);
  const Choice at_close{site.place.value_or(0), tenure.keeps ? kHandBackSite : kCloseSite, 0.85};
  if (site.place && *site.place > common.place) return at_close;
  if (site.here) {
    if (tenure.at_home) return {common.place, kCloseSite, 0.85};
    common.rule += "; siblings are closed in the same function";
    common.confidence = std::max(common.confidence, 0.95);
    common.talks = false;
    return common;
  }
  // Siblings went on from the common frame before they were closed: those that are left stayed in
  // it. Where many ways are known, what is above it may be a dispatcher, and is passed over anyway.
  if (x_few_ways && site.left_behind && !tenure.at_home) {
    common.talks = false;
    return common;
  }
  const auto apart = discriminating(view, common.place, healthy);
  if (site.place && *site.place < common.place && (!apart || *site.place >= *apart)) {
    return at_close;
  }
  if (apart) {
    return {*apart, "discriminating frame: healthy connections share the helper, not this caller",
            0.9};
  }
  return common;
}

// Where no stack names anybody: the goroutine of the service's own that used the connection last
// and holds it now, at the line where it waits.
std::optional<Blamed> Blamer::holder_of(const Member& member) const {
  constexpr double kCertain = 0.7;
  constexpr double kLikely = 0.5;
  const Owner* owner = member.owner.get();
  if (owner == nullptr || !owner->held || !owner->holder_now || !member.candidate)
    return std::nullopt;
  const Holder& holder = owner->held->holder;
  const auto site = held_by(*owner);
  if (holder.kind != HolderKind::kGoroutine || !site || site->function == "main.main")
    return std::nullopt;
  const Tenure tenure = tenure_of(*member.facts);
  if (tenure.last.view != nullptr && sends_for_another(*member.facts, tenure)) return std::nullopt;
  if (keeps_a_pool(*owner)) return std::nullopt;
  return Blamed{0, *site, BlameRole::kHeld,
                fmt::format("held by a goroutine that is in {}", owner->holder_now->state),
                holder.certainty == HolderCertainty::kCertain ? kCertain : kLikely};
}

std::optional<Blamed> Blamer::came_back_to(const Member& member) const {
  const Owner* owner = member.owner.get();
  if (owner == nullptr) return std::nullopt;
  const GoroutineNow* there = borrower(*owner);
  if (there == nullptr && owner->holder_now && !keeps_a_pool(*owner)) there = &*owner->holder_now;
  if (there == nullptr || !there->own) return std::nullopt;
  const NamedFrame& now = *there->at;
  const Tenure tenure = tenure_of(*member.facts);
  if (tenure.last.view == nullptr || tenure.role != BlameRole::kUsed) return std::nullopt;
  const auto& own = tenure.last.view->own;
  for (size_t i = own.size() - 1; i-- > 0;) {
    if (own[i].frame->function != now.function || own[i].frame->file != now.file) continue;
    if (dispatches(own[i].function)) return std::nullopt;
    return Blamed{
        own[i].function, site_of(*own[i].frame), BlameRole::kUsed,
        fmt::format("common frame of the last use and where its goroutine waits now, in {}",
                    there->state),
        0.9};
  }
  return std::nullopt;
}

// What is left of a connection is a copy of its descriptor: the other was closed, as it should be,
// and nothing was done with the connection since. Whoever made the copy has it.
std::optional<Blamed> Blamer::by_copy(const Member& member) const {
  const auto& facts = *member.facts;
  const auto& closed = facts.partly_closed_at;
  if (!facts.duplicated || !closed || facts.duplicated->at >= *closed) return std::nullopt;
  if (facts.last_send > closed || facts.last_receive > closed || member.history == nullptr)
    return std::nullopt;
  const auto& left = member.history->descriptors;
  if (left.size() != 1 || left.front().process != facts.opener) return std::nullopt;
  const Stack copied = own(facts.duplicated->stack);
  if (copied.view == nullptr) return std::nullopt;
  const OwnFrame& frame = copied.view->own.back();
  return Blamed{frame.function, site_of(*frame.frame), BlameRole::kOpened,
                "a copy of the descriptor was made here, and is left after the other was closed",
                0.9};
}

std::optional<Blamed> Blamer::blame(const Member& member) const {
  if (auto copied = by_copy(member)) return copied;
  const auto& facts = *member.facts;
  Tenure tenure = tenure_of(facts);
  if (tenure.last.view == nullptr) return by_ancestry(facts);
  distrust(tenure);
  look_behind_sender(facts, tenure);
  if (tenure.last.view == nullptr) return std::nullopt;
  const std::vector<uint64_t> key = {
      tenure.last.id,
      tenure.requests.empty() ? kNoStack : tenure.requests.front().id,
      tenure.opened.view != nullptr ? tenure.opened.id : kNoStack,
      tenure.received.view != nullptr ? tenure.received.id : kNoStack,
      static_cast<uint64_t>(facts.kind) << 16 | static_cast<uint64_t>(facts.role) << 8 |
          static_cast<uint64_t>(tenure.role) << 2 | (tenure.keeps ? 2 : 0) |
          (tenure.library_sends ? 1 : 0),
      (tenure.sender ? 1U : 0U) + (tenure.at_home ? 1U : 0U) + (tenure.told ? 4U : 0U),
      tenure.asked.view != nullptr ? tenure.asked.id : kNoStack};
  const auto known = x_known.find(key);
  if (known != x_known.end()) return trust(known->second, facts);
  if (sends_for_another(facts, tenure)) {
    x_known.emplace(key, std::nullopt);
    return std::nullopt;
  }
  Choice choice = meet(tenure);
  const auto healthy = x_healthy.find({facts.kind, role_of(facts)});
  if (healthy != x_healthy.end()) choice = compare(tenure, choice, healthy->second);
  if (tenure.at_home && choice.rule != kCloseSite) {
    x_known.emplace(key, std::nullopt);
    return std::nullopt;
  }
  choice = meet_request(tenure, choice);
  choice = look_behind_helper(facts, tenure, choice);
  if (tenure.role == BlameRole::kBorrowed && !choice.rule.starts_with("borrowed")) {
    choice.rule = fmt::format("borrowed from {}; {}", tenure.last.view->library, choice.rule);
  }
  const auto& frame = tenure.last.view->own[choice.place];
  Blamed blamed{frame.function, site_of(*frame.frame), tenure.role, choice.rule, choice.confidence};
  x_known.emplace(key, blamed);
  return trust(blamed, facts);
}

}  // namespace unclosed
