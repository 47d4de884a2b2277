#include "judge/findings.h"

#include <algorithm>
#include <map>
#include <set>

#include "judge/go_roles.h"

namespace unclosed {
namespace {

class SiteTally {
 public:
  void add(const Site& site, uint64_t count = 1) {
    const auto [place, added] =
        x_index.try_emplace({site.function, site.file, site.line}, x_counts.size());
    if (added) x_counts.push_back({site, 0});
    x_counts[place->second].count += count;
    x_total += count;
  }
  // Most frequent first.
  std::vector<SiteCount> sorted() const {
    auto counts = x_counts;
    std::stable_sort(counts.begin(), counts.end(),
                     [](const SiteCount& a, const SiteCount& b) { return a.count > b.count; });
    return counts;
  }
  uint64_t total() const { return x_total; }

 private:
  std::map<std::tuple<std::string, std::string, uint32_t>, size_t> x_index;
  std::vector<SiteCount> x_counts;
  uint64_t x_total = 0;
};

// The request to show: the newest whose stack holds own frames, else the newest.
const Use* last_request(const Stacks& stacks, const ConnectionFacts& facts) {
  for (const auto& request : facts.requests) {
    if (request && stacks.own_view(request->stack) != nullptr) return &*request;
  }
  return facts.requests[0] ? &*facts.requests[0] : nullptr;
}

}  // namespace

FoundConnection found(const Scene& scene, const Member& member) {
  const auto& facts = *member.facts;
  FoundConnection connection;
  connection.id = facts.id;
  if (!member.history->descriptors.empty()) {
    const auto& all = member.history->descriptors;
    connection.descriptor = all.front();
    connection.others.assign(all.begin() + 1, all.end());
  }
  connection.kind = facts.kind;
  connection.state = facts.state;
  connection.local = facts.local.to_string();
  connection.peer = facts.peer.known() ? facts.peer.to_string() : facts.name;
  connection.before_attach = facts.before_attach;
  connection.age_seconds = seconds(member.age);
  if (member.tracked) connection.idle_seconds = seconds(member.idle);
  connection.recv_queue = facts.recv_queue;
  connection.send_queue = facts.send_queue;
  connection.last_actor = facts.opened.by;
  if (const auto* request = last_request(scene.stacks, facts)) {
    connection.used = request->stack;
    connection.last_actor = request->by;
  }
  if (const auto& handed = facts.borrowed[0]) {
    connection.borrowed = handed->stack;
    connection.last_actor = handed->by;
  }
  connection.opened = facts.copied_from.value_or(facts.opened).stack;
  connection.owner = member.owner;
  if (facts.first_receive) connection.received = facts.first_receive->stack;
  if (facts.told_of_end) connection.told = facts.told_of_end->stack;
  if (facts.duplicated) connection.duplicated = facts.duplicated->stack;
  return connection;
}

std::optional<Site> held_by(const Owner& owner) {
  if (!owner.held) return std::nullopt;
  const Holder& holder = owner.held->holder;
  if (!holder.own) return std::nullopt;
  if (holder.kind == HolderKind::kVariable && !holder.name.empty()) return Site{holder.name, "", 0};
  const auto& frame = holder.own_frame ? holder.own_frame : holder.frame;
  if (holder.kind != HolderKind::kGoroutine || !frame) return std::nullopt;
  const auto& now = owner.holder_now;
  if (now && now->own && now->at && waits_for_others(now->state)) return site_of(*now->at);
  return site_of(*frame);
}

// Where listeners listen, if that is one address.
static std::string listens_at(const Case& item) {
  std::set<std::string> addresses;
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    addresses.insert(facts.local.known() ? facts.local.to_string() : facts.name);
  }
  return addresses.size() == 1 ? *addresses.begin() : "";
}

Finding describe(const Case& item, size_t most_listed) {
  const Scene& scene = *item.scene;
  Finding finding;
  finding.kind = item.kind;
  finding.role = item.role;
  finding.peer = item.role == Role::kListener ? listens_at(item) : item.peer;
  finding.healed = item.healed;
  SiteTally opened;
  SiteTally used;
  SiteTally borrowed;
  SiteTally told;
  SiteTally held;
  std::map<TcpState, uint64_t> states;
  std::vector<const Member*> open;
  uint64_t came = 0;
  for (const auto* member : item.members) {
    const auto& facts = *member->facts;
    const uint64_t count = member->history == nullptr ? 1 : member->history->stands_for;
    if (const auto* view = scene.stacks.own_view(facts.opened.stack)) {
      opened.add(site_of(*view->own.back().frame), count);
    }
    if (const auto* request = last_request(scene.stacks, facts)) {
      const auto* view = scene.stacks.own_view(request->stack);
      if (view != nullptr) used.add(site_of(*view->own.back().frame), count);
    }
    if (facts.borrowed[0]) {
      const auto* view = scene.stacks.own_view(facts.borrowed[0]->stack);
      if (view != nullptr) borrowed.add(site_of(*view->own.back().frame), count);
    }
    if (facts.told_of_end) {
      const auto* view = scene.stacks.own_view(facts.told_of_end->stack);
      if (view != nullptr) told.add(site_of(*view->own.back().frame), count);
    }
    if (member->owner != nullptr && member->owner->held && !keeps_a_pool(*member->owner)) {
      if (const auto site = held_by(*member->owner)) held.add(*site, count);
    }
    if (member->history == nullptr) continue;
    open.push_back(member);
    finding.count += count;
    finding.descriptors += count * member->history->descriptors.size();
    states[facts.state] += count;
    came += facts.before_attach ? 0 : count;
  }
  finding.all_opened = opened.sorted();
  finding.all_used = used.sorted();
  if (const auto sites = borrowed.sorted(); !sites.empty()) finding.borrowed = sites.front().site;
  if (const auto sites = told.sorted(); !sites.empty()) finding.told = sites.front().site;
  if (const auto sites = held.sorted(); !sites.empty()) finding.held = sites.front().site;
  if (!finding.all_opened.empty()) finding.opened = finding.all_opened.front().site;
  if (!finding.all_used.empty()) finding.used = finding.all_used.front().site;
  finding.states.assign(states.begin(), states.end());
  std::stable_sort(finding.states.begin(), finding.states.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  const double minutes = seconds(scene.now() - scene.histories.attached) / 60;
  // Those from before the attach may be left alone one after the other: they are no more for that.
  if (minutes > 0 && came > 0) {
    finding.growth_per_minute =
        static_cast<double>(std::max<uint64_t>(came, item.rise.arrivals)) / minutes;
  }
  std::stable_sort(open.begin(), open.end(), [](const Member* a, const Member* b) {
    return a->facts->opened.at < b->facts->opened.at;
  });
  if (open.size() > most_listed) open.resize(most_listed);
  for (const auto* member : open) finding.connections.push_back(found(scene, *member));
  finding.normally_closed_at = normally_closed(item, std::nullopt);
  uint64_t closed = 0;
  for (const size_t index : item.siblings) {
    for (const auto* cohort : scene.siblings[index].cohorts) closed += cohort->closed;
  }
  finding.siblings_closed = closed - std::min(closed, item.healed);
  return finding;
}

namespace {

// Where the user's code gave siblings back to the library that keeps them.
SiteTally returns_of(const Case& item) {
  const Scene& scene = *item.scene;
  SiteTally sites;
  const auto add = [&](const ConnectionFacts& facts) {
    const auto* view = facts.returned ? scene.stacks.own_view(facts.returned->stack) : nullptr;
    if (view != nullptr) sites.add(site_of(*view->own.back().frame));
  };
  for (const size_t index : item.siblings) {
    for (const auto* cohort : scene.siblings[index].cohorts) {
      for (const auto& sample : cohort->samples) add(sample.facts);
    }
  }
  for (const auto& member : scene.members) {
    const auto& all = item.siblings;
    if (std::find(all.begin(), all.end(), member.siblings) != all.end()) add(*member.facts);
  }
  return sites;
}

}  // namespace

// What closes: not a destructor, which runs where its owner was let go.
static const OwnFrame& closing_frame(const StackView& view) {
  size_t place = view.own.size() - 1;
  const auto destroys = [](const std::string& function) {
    return function.find("::~") != std::string::npos || function.ends_with("Drop>::drop");
  };
  while (place > 0 && destroys(view.own[place].frame->function)) --place;
  return view.own[place];
}

std::optional<NormallyClosed> normally_closed(const Case& item, const std::optional<Blame>& blame) {
  constexpr double kMost = 0.3;
  const Scene& scene = *item.scene;
  SiteTally sites;
  for (const size_t index : item.siblings) {
    for (const auto* cohort : scene.siblings[index].cohorts) {
      for (const auto& closer : cohort->closers) {
        const auto* view = scene.stacks.own_view(closer.stack);
        if (view == nullptr || view->collector) continue;
        const auto* frame = closing_frame(*view).frame;
        for (const auto& own : view->own) {
          if (blame && own.frame->function == blame->site.function) frame = own.frame;
        }
        sites.add(site_of(*frame), closer.count);
      }
    }
  }
  CloseHow how = CloseHow::kClosed;
  if (sites.total() == 0) {
    sites = returns_of(item);
    how = CloseHow::kReturned;
  }
  const auto counts = sites.sorted();
  if (counts.empty()) return std::nullopt;
  if (static_cast<double>(counts.front().count) < kMost * static_cast<double>(sites.total())) {
    return std::nullopt;
  }
  return NormallyClosed{counts.front().site, how};
}

}  // namespace unclosed
