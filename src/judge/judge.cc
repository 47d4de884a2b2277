#include "judge/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "judge/bench.h"
#include "judge/case.h"
#include "judge/evidence/evidence.h"
#include "judge/findings.h"
#include "judge/fingerprint.h"
#include "judge/go_roles.h"
#include "judge/limits.h"
#include "judge/scene.h"
#include "judge/verdict.h"

namespace unclosed {
namespace {

bool any_traced(const std::vector<const Member*>& members) {
  return std::any_of(members.begin(), members.end(),
                     [](const Member* member) { return !member->facts->before_attach; });
}

// An accepted connection whose goroutine waits for others, or for whatever though the client has
// gone: whoever accepts has handed it on.
bool stuck_handler(const Member& member) {
  const auto& now = member.owner->holder_now;
  return member.facts->role == Role::kServer && now && now->own &&
         (waits_for_others(now->state) || member.gone_at) && !keeps_a_pool(*member.owner);
}

}  // namespace

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

void Bench::blame_group(Finding& finding, const GroupKey& key,
                        const std::vector<const Member*>& members) const {
  struct Tally {
    Blamed blamed;
    uint64_t count = 0;
  };
  std::map<std::tuple<std::string, uint32_t, std::string>, Tally> tally;
  for (const auto* member : members) {
    const auto blamed = x_blamer.blame(*member);
    // One of which not all stacks were taken may have been joined by the others'.
    if (!blamed || blamed->site.function != key.function) continue;
    auto& entry = tally[{blamed->site.file, blamed->site.line, blamed->rule}];
    entry.blamed = *blamed;
    ++entry.count;
  }
  const Tally* best = nullptr;
  for (const auto& [place, entry] : tally) {
    if (best == nullptr || entry.count > best->count) best = &entry;
  }
  if (best == nullptr) return;
  // All agree on the function; the line is the commonest.
  uint64_t same_line = 0;
  uint64_t all = 0;
  for (const auto& [place, entry] : tally) {
    all += entry.count;
    if (entry.blamed.site == best->blamed.site) same_line += entry.count;
  }
  const double agreement = static_cast<double>(same_line) / static_cast<double>(all);
  finding.blame = Blame{best->blamed.role, best->blamed.site, best->blamed.rule,
                        best->blamed.confidence * (0.7 + 0.3 * agreement)};
}

// Where memory says more than the stacks: the line at which most of those are held that it was
// asked about; or, where only a last use is known, the frame that most goroutines came back to from
// it; or, where only the opening is known, who has in hand what a pool lent, or stands stuck in the
// handler of what was accepted.
void Bench::blame_by_memory(Finding& finding, const std::vector<const Member*>& members) const {
  const bool opened = finding.blame && finding.blame->role == BlameRole::kOpened;
  if (finding.blame && !opened && !Blamer::by_last_use_alone(finding.blame->rule)) return;
  std::map<std::tuple<std::string, std::string, uint32_t>, std::pair<Blamed, size_t>> tally;
  size_t asked = 0;
  for (const auto* member : members) {
    // One of which no stack was taken, or no memory read, says nothing.
    if (finding.blame && (member->owner == nullptr || !x_blamer.blame(*member))) continue;
    ++asked;
    if (opened && !member->owner->in_hand && !stuck_handler(*member)) continue;
    const auto told =
        finding.blame && !opened ? x_blamer.came_back_to(*member) : x_blamer.holder_of(*member);
    if (!told) continue;
    auto& entry = tally[{told->site.function, told->site.file, told->site.line}];
    entry.first = *told;
    ++entry.second;
  }
  for (const auto& [place, entry] : tally) {
    const auto& [blamed, count] = entry;
    if (count * 2 <= asked) continue;
    finding.blame = Blame{blamed.role, blamed.site, blamed.rule, blamed.confidence};
  }
}

void Bench::name_nobody(Finding& finding, const Case& item) const {
  std::map<std::string, size_t> reasons;
  // Those seen from their opening on tell more of it than older ones that joined them.
  const bool traced = any_traced(item.members);
  for (const auto* member : item.members) {
    if (!traced || !member->facts->before_attach) ++reasons[x_blamer.why_not(*member)];
  }
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
  // Whether bytes wait, asked for or not: of older ones nobody saw what they followed.
  bool some_full = false;
  bool some_empty = false;
  for (const auto* member : members) {
    states.insert(member->facts->state);
    (member->facts->recv_queue > 0 ? some_full : some_empty) = true;
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
    const bool full = facts.recv_queue > 0;
    const bool looks = states.contains(facts.state) && (full ? some_full : some_empty) &&
                       (!member.waiting || key.role == Role::kServer) &&
                       member.idle > x_scene.policy.settled_floor();
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

static bool only_grows(const std::vector<Evidence>& evidence) {
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
  if (!key.function.empty()) take_young(key, group, item);
  for (const auto* member : group.members) x_taken.insert(member);
  if (!key.function.empty() || any_traced(group.members)) join_older(extra, key, group.members);
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
  blame_group(finding, key, group.members);
  blame_by_memory(finding, group.members);
  finding.normally_closed_at = normally_closed(item, finding.blame);
  if (!finding.blame) name_nobody(finding, item);
  finding.fingerprint = fingerprint(
      finding.blame ? to_string(finding.blame->role) : "nobody", to_string(finding.kind),
      {finding.blame ? finding.blame->site.function : std::string(key.label)});
  x_judgement.findings.push_back(std::move(finding));
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
    if (auto text = awaiting_answer(item)) finding.evidence.push_back(*std::move(text));
    if (auto text = used_again(item)) finding.evidence.push_back(*std::move(text));
    if (auto text = in_free_list(item)) finding.evidence.push_back(*std::move(text));
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
  // The blamed first, those seen from their opening on next, the larger first: those opened before
  // the attach join them.
  std::vector<const std::pair<const GroupKey, Group>*> order;
  for (const auto& entry : x_groups) order.push_back(&entry);
  const auto rank = [](const std::pair<const GroupKey, Group>& entry) {
    return std::tuple(entry.first.function.empty(), !any_traced(entry.second.members),
                      SIZE_MAX - entry.second.members.size());
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return rank(*a) < rank(*b); });
  for (const auto* entry : order) try_group(entry->first, entry->second);
  try_spread();
  try_met_once();
  try_copies();
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

Judgement judge(const Histories& histories, const StackBook& stacks, const Policy& policy) {
  const Stacks named(stacks);
  return Bench(histories, named, policy).judge();
}

}  // namespace unclosed
