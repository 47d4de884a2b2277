#include "judge/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "judge/blame.h"
#include "judge/case.h"
#include "judge/evidence/evidence.h"
#include "judge/findings.h"
#include "judge/fingerprint.h"
#include "judge/limits.h"
#include "judge/scene.h"
#include "judge/verdict.h"

namespace unclosed {
namespace {

// What a finding stands for: who is blamed ("" for nobody), and for what.
struct GroupKey {
  std::string function, file;
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  std::string peer;
  std::string label;  // without blame: the way it was opened
  auto operator<=>(const GroupKey&) const = default;
};

struct Group {
  std::vector<const Member*> members;
  uint64_t healed = 0;
};

class Bench {
 public:
  Bench(const Histories& histories, const Stacks& stacks, const Policy& policy)
      : x_scene(histories, stacks, policy), x_blamer(x_scene) {}
  Judgement judge();

 private:
  GroupKey key_of(const Member& member) const;
  void gather();
  void gather_healed();
  void join_older_healed();
  void try_group(const GroupKey& key, const Group& group);
  bool keeps_files_by_design(const GroupKey& key, const Case& item) const;
  void try_spread();
  void take_young(const GroupKey& key, Group& group, const Case& item) const;
  std::optional<Instant> first_hand_out(const GroupKey& key) const;
  void join_older(Finding& finding, const GroupKey& key, std::vector<const Member*>& members);
  void blame_group(Finding& finding, const std::vector<const Member*>& members) const;
  void name_nobody(Finding& finding, const Case& item) const;
  void rest();

  Scene x_scene;
  Blamer x_blamer;
  std::map<GroupKey, Group> x_groups;
  std::vector<Member> x_healed_samples;
  std::set<const Member*> x_taken;
  Judgement x_judgement;
};

GroupKey Bench::key_of(const Member& member) const {
  const auto& group = x_scene.siblings_of(member);
  GroupKey key{"", "", member.facts->kind, member.facts->role, group.peer, ""};
  if (const auto blamed = x_blamer.blame(member)) {
    key.function = blamed->site.function;
    key.file = blamed->site.file;
  } else {
    key.label = group.label;
  }
  return key;
}

void Bench::gather() {
  for (const auto& member : x_scene.members) {
    if (member.candidate) x_groups[key_of(member)].members.push_back(&member);
  }
  gather_healed();
}

// Closed by a finalizer: those that were sampled tell who had forgotten them; all are counted.
void Bench::gather_healed() {
  for (size_t i = 0; i < x_scene.siblings.size(); ++i) {
    for (const auto* cohort : x_scene.siblings[i].cohorts) {
      const auto by_collector = [&](const ClosedSample& sample) {
        const auto* view = x_scene.stacks.view(sample.closed_by);
        return view != nullptr && view->collector;
      };
      const bool sampled =
          std::any_of(cohort->samples.begin(), cohort->samples.end(), by_collector);
      for (const auto& sample : sampled ? cohort->samples : cohort->firsts) {
        if (!by_collector(sample)) continue;
        Member member;
        member.facts = &sample.facts;
        member.siblings = i;
        member.settled = x_scene.siblings[i].settled;
        member.far = x_scene.siblings[i].far;
        member.tracked = is_socket(sample.facts.kind);
        x_healed_samples.push_back(member);
      }
    }
  }
  std::map<size_t, std::map<GroupKey, uint64_t>> sampled;
  for (const auto& member : x_healed_samples) ++sampled[member.siblings][key_of(member)];
  for (const auto& [index, keys] : sampled) {
    // Not at every close is the closer looked at: its share holds for all.
    double healed = 0;
    for (const auto* cohort : x_scene.siblings[index].cohorts) {
      double collector = 0;
      double all = 0;
      for (const auto& closer : cohort->closers) {
        const auto* view = x_scene.stacks.view(closer.stack);
        const auto count = static_cast<double>(closer.count);
        all += count;
        collector += view != nullptr && view->collector ? count : 0;
      }
      if (all > 0) healed += std::max(static_cast<double>(cohort->closed), all) * collector / all;
    }
    uint64_t samples = 0;
    for (const auto& [key, count] : keys) samples += count;
    for (const auto& [key, count] : keys) {
      x_groups[key].healed += static_cast<uint64_t>(
          healed * static_cast<double>(count) / static_cast<double>(samples) + 0.5);
    }
  }
  // A case needs somebody to speak of; a healed sample does where nothing is open any more.
  for (const auto& member : x_healed_samples) {
    auto& group = x_groups[key_of(member)];
    if (group.members.empty()) group.members.push_back(&member);
  }
  join_older_healed();
}

// The collector closed some that were opened before the attach as well: where one function alone is
// known to forget such, they are its doing.
void Bench::join_older_healed() {
  for (auto entry = x_groups.begin(); entry != x_groups.end();) {
    const auto& [key, group] = *entry;
    const bool nobody = key.function.empty() && group.healed > 0 &&
                        std::all_of(group.members.begin(), group.members.end(),
                                    [](const auto* it) { return it->facts->before_attach; });
    std::vector<Group*> known;
    if (nobody) {
      for (auto& [other, named] : x_groups) {
        const bool alike = other.kind == key.kind && other.peer == key.peer;
        if (alike && !other.function.empty() && named.healed > 0) known.push_back(&named);
      }
    }
    if (known.size() == 1) {
      known.front()->healed += group.healed;
      entry = x_groups.erase(entry);
    } else {
      ++entry;
    }
  }
}

// Those too young to be judged alone, which the same function left in the same way.
void Bench::take_young(const GroupKey& key, Group& group, const Case& item) const {
  const Duration least =
      item.main_siblings().usual_idle.value_or(x_scene.policy.settled_floor() / 5);
  for (const auto& member : x_scene.members) {
    if (member.candidate || member.waiting || member.facts->kind != key.kind ||
        member.facts->role != key.role || x_scene.siblings_of(member).peer != key.peer) {
      continue;
    }
    if (key.role == Role::kServer || !member.tracked) continue;
    if (member.idle <= std::max(least, x_scene.policy.settled_floor() / 5)) continue;
    if (key_of(member) == key) group.members.push_back(&member);
  }
}

void Bench::blame_group(Finding& finding, const std::vector<const Member*>& members) const {
  struct Tally {
    Blamed blamed;
    uint64_t count = 0;
  };
  std::map<std::tuple<std::string, uint32_t, std::string>, Tally> tally;
  for (const auto* member : members) {
    const auto blamed = x_blamer.blame(*member);
    if (!blamed) continue;
    auto& entry = tally[{blamed->site.file, blamed->site.line, blamed->rule}];
    entry.blamed = *blamed;
    ++entry.count;
  }
  const Tally* best = nullptr;
  for (const auto& [key, entry] : tally) {
    if (best == nullptr || entry.count > best->count) best = &entry;
  }
  if (best == nullptr) return;
  // All agree on the function; the line is the commonest.
  uint64_t same_line = 0;
  uint64_t all = 0;
  for (const auto& [key, entry] : tally) {
    all += entry.count;
    if (entry.blamed.site == best->blamed.site) same_line += entry.count;
  }
  const double agreement = static_cast<double>(same_line) / static_cast<double>(all);
  finding.blame = Blame{best->blamed.role, best->blamed.site, best->blamed.rule,
                        best->blamed.confidence * (0.7 + 0.3 * agreement)};
}

void Bench::name_nobody(Finding& finding, const Case& item) const {
  std::map<std::string, size_t> reasons;
  for (const auto* member : item.members) ++reasons[x_blamer.why_not(*member)];
  const auto most =
      std::max_element(reasons.begin(), reasons.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  finding.no_blame_reason = most->first;
}

// When the first hand-out was seen to such connections; nullopt: none was.
std::optional<Instant> Bench::first_hand_out(const GroupKey& key) const {
  std::optional<Instant> first;
  for (const auto& member : x_scene.members) {
    if (member.facts->kind != key.kind || x_scene.siblings_of(member).peer != key.peer) continue;
    for (const auto& handed : member.facts->borrowed) {
      if (handed && (!first || handed->at < *first)) first = handed->at;
    }
  }
  return first;
}

// Opened before the attach, or handed out before its library was probed, never used since: they
// join a finding of the same kind, role and peer when they look like its members, as far as healthy
// ones do not look like that as well.
void Bench::join_older(Finding& finding, const GroupKey& key, std::vector<const Member*>& members) {
  constexpr double kCertain = 0.5;
  std::set<TcpState> states;
  bool some_unread = false;
  bool some_read = false;
  for (const auto* member : members) {
    states.insert(member->facts->state);
    (member->unread ? some_unread : some_read) = true;
  }
  const auto probed = first_hand_out(key);
  std::vector<const Member*> alike;
  size_t healthy_alike = 0;
  for (const auto& member : x_scene.members) {
    const auto& facts = *member.facts;
    const bool same_role =
        facts.role == key.role || (facts.before_attach && facts.role == Role::kUnknown);
    if (facts.kind != key.kind || !same_role || x_scene.siblings_of(member).peer != key.peer ||
        !member.tracked) {
      continue;
    }
    const bool looks = states.contains(facts.state) && (member.unread ? some_unread : some_read) &&
                       !member.waiting && member.idle > x_scene.policy.settled_floor();
    if (!looks || x_taken.contains(&member)) continue;
    const bool marked = member.unread || member.gone_at || member.passed_over;
    const bool older = facts.before_attach || (probed && !facts.borrowed[0] && facts.last_send &&
                                               *facts.last_send < *probed);
    if (older && marked && member.candidate && !x_blamer.blame(member)) {
      alike.push_back(&member);
    } else if (!older) {
      ++healthy_alike;
    }
  }
  if (alike.empty()) return;
  const size_t leaked = members.size();
  const double certainty =
      static_cast<double>(leaked) / static_cast<double>(leaked + healthy_alike);
  if (certainty < kCertain) return;
  for (const auto* member : alike) {
    x_taken.insert(member);
    members.push_back(member);
  }
  finding.older_matched = alike.size();
  finding.evidence.push_back(
      {"older-matched", Family::kUse, true, false,
       fmt::format("{} {} match by kind, peer, state, queue and idle pattern "
                   "(certainty {:.2f}: {} of {} traced ones that look like this are leaked)",
                   alike.size(),
                   probed ? "from before the attach or before the probe was in place"
                          : "opened before the attach",
                   certainty, leaked, leaked + healthy_alike)});
}

bool only_grows(const std::vector<Evidence>& evidence) {
  return std::all_of(evidence.begin(), evidence.end(), [](const Evidence& one) {
    return !one.in_favour || one.family == Family::kGrowth;
  });
}

// A server as the distribution ships it, without debug information: the files it opens one after
// the other are a cache that fills (a database's segments, at a checkpoint), and there is no line
// to show.
bool Bench::keeps_files_by_design(const GroupKey& key, const Case& item) const {
  if (item.members.front()->tracked || key.function.empty() || !key.file.empty()) return false;
  return std::all_of(item.members.begin(), item.members.end(), [&](const Member* member) {
    const auto known = x_scene.histories.processes.find(member->facts->opener);
    if (known == x_scene.histories.processes.end()) return false;
    const std::string& exe = known->second.exe;
    return exe.starts_with("/usr/") && !exe.starts_with("/usr/local/");
  });
}

void Bench::try_group(const GroupKey& key, const Group& found) {
  Group group = found;
  std::erase_if(group.members, [&](const Member* it) { return x_taken.contains(it); });
  if (group.members.empty()) return;
  Case item = make_case(x_scene, group.members, group.healed);
  auto evidence = weigh(item);
  const Verdict verdict = decide(item, evidence);
  if (verdict == Verdict::kHealthy) return;
  if (verdict == Verdict::kSuspect && only_grows(evidence) && keeps_files_by_design(key, item))
    return;
  Finding extra;
  extra.evidence = std::move(evidence);
  if (!key.function.empty()) {
    take_young(key, group, item);
    for (const auto* member : group.members) x_taken.insert(member);
    join_older(extra, key, group.members);
  }
  for (const auto* member : group.members) x_taken.insert(member);
  if (group.members.size() != item.members.size()) {
    const Rise rise = item.rise;
    item = make_case(x_scene, group.members, group.healed);
    item.rise = rise;
  }
  Finding finding = describe(item, SIZE_MAX);
  finding.verdict = verdict;
  finding.evidence = std::move(extra.evidence);
  finding.older_matched = extra.older_matched;
  finding.diagnosis = Diagnosis::kLeak;
  blame_group(finding, group.members);
  finding.normally_closed_at = normally_closed(item, finding.blame);
  if (!finding.blame) name_nobody(finding, item);
  finding.fingerprint = fingerprint(
      finding.blame ? to_string(finding.blame->role) : "nobody", to_string(finding.kind),
      {finding.blame ? finding.blame->site.function : std::string(key.label)});
  x_judgement.findings.push_back(std::move(finding));
}

// What one function left at many peers, at each of them too few to be judged alone. Keep-alive to
// many peers looks the same until a peer is dialled again while its idle connection lies there.
void Bench::try_spread() {
  constexpr size_t kPeers = 3;
  std::map<GroupKey, std::pair<Group, std::set<std::string>>> spread;
  for (const auto& [key, group] : x_groups) {
    if (key.function.empty() || key.role != Role::kClient || !is_socket(key.kind)) continue;
    GroupKey wide = key;
    wide.peer.clear();
    auto& [all, peers] = spread[wide];
    for (const auto* member : group.members) {
      if (x_taken.contains(member) || member->history == nullptr) continue;
      if (member->waiting || member->passing_dials == 0 || member->history->pushes > 1) continue;
      all.members.push_back(member);
      peers.insert(key.peer);
    }
  }
  for (const auto& [key, found] : spread) {
    if (found.second.size() >= kPeers) try_group(key, found.first);
  }
}

// Everything that is open and no finding, by cohort.
void Bench::rest() {
  std::map<size_t, std::vector<const Member*>> groups;
  for (const auto& member : x_scene.members) {
    if (!x_taken.contains(&member)) groups[member.siblings].push_back(&member);
  }
  for (auto& [index, members] : groups) {
    const auto& siblings = x_scene.siblings[index];
    Case item = make_case(x_scene, std::move(members), 0);
    Finding finding = describe(item, x_scene.policy.most_listed);
    size_t old = 0;
    size_t left = 0;
    for (const auto* member : item.members) {
      old += member->age > x_scene.policy.long_floor || member->facts->before_attach ? 1 : 0;
      left += member->candidate ? 1 : 0;
    }
    finding.verdict = old * 2 >= item.members.size() ? Verdict::kHeld : Verdict::kHealthy;
    const bool blind = std::any_of(
        x_scene.histories.gaps.begin(), x_scene.histories.gaps.end(),
        [](const Gap& gap) { return gap.reason == LossReason::kTableFull && gap.count > 0; });
    if (blind) finding.verdict = Verdict::kUnknown;
    finding.diagnosis = diagnose(x_scene, item.members);
    if (left > 0) {
      for (const auto against : {bounded_count, peer_restarted}) {
        if (auto text = against(item)) finding.evidence.push_back(*std::move(text));
      }
    }
    if (auto text = used_again(item)) finding.evidence.push_back(*std::move(text));
    if (item.role == Role::kListener) {
      finding.evidence.push_back(
          {"listener", Family::kAgainst, false, false, "a listener stays open by design"});
    }
    finding.fingerprint = fingerprint("cohort", to_string(finding.kind), {siblings.label});
    x_judgement.groups.push_back(std::move(finding));
  }
}

Judgement Bench::judge() {
  gather();
  // The blamed first, the larger first: those opened before the attach join them.
  std::vector<const std::pair<const GroupKey, Group>*> order;
  for (const auto& entry : x_groups) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->first.function.empty(), b->second.members.size()) <
           std::pair(b->first.function.empty(), a->second.members.size());
  });
  for (const auto* entry : order) try_group(entry->first, entry->second);
  try_spread();
  rest();
  auto& findings = x_judgement.findings;
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tuple(b.verdict, b.count, b.growth_per_minute) <
           std::tuple(a.verdict, a.count, a.growth_per_minute);
  });
  x_judgement.limits = weigh_limits(x_scene, findings);
  for (const auto& failure : x_scene.histories.failures) {
    FailureCount count{failure.attempt, failure.errno_value, std::nullopt, failure.peer.to_string(),
                       failure.count};
    if (const auto* view = x_scene.stacks.own_view(failure.stack)) {
      count.site = site_of(*view->own.back().frame);
    }
    x_judgement.failures.push_back(std::move(count));
  }
  std::stable_sort(x_judgement.failures.begin(), x_judgement.failures.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  for (const auto& finding : findings) {
    auto& group = x_judgement.groups.emplace_back(finding);
    const size_t most = x_scene.policy.most_listed;
    if (group.connections.size() > most) group.connections.resize(most);
  }
  return std::move(x_judgement);
}

}  // namespace

Judgement judge(const Histories& histories, const StackBook& stacks, const Policy& policy) {
  const Stacks named(stacks);
  return Bench(histories, named, policy).judge();
}

}  // namespace unclosed
