#include "cli/owners.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cli/goroutine_names.h"
#include "cli/holder_names.h"
#include "cli/parked.h"
#include "collect/golang/holders.h"
#include "collect/golang/http_requests.h"
#include "collect/golang/sql_pools.h"
#include "judge/go_roles.h"
#include "judge/scene.h"
#include "model/goroutine.h"

namespace unclosed {
namespace {

constexpr size_t kMostPlaces = 200'000;  // goroutines whose places are remembered
constexpr Duration kLongIdle = std::chrono::seconds(3);  // may be lost to its pool
constexpr size_t kMostAsked = 5'000;     // descriptors of one process whose holders are looked for

bool is_go(const ProcessInfo& info) { return info.runtime.starts_with("go"); }

// What one look at a process found, by descriptor and by goroutine.
class Moment {
 public:
  Moment(GoProcess& process, const GoroutineList& list, GoroutineNames& names)
      : x_process(process), x_list(list), x_names(names) {}

  Status read() {
    auto parked = parked_descriptors(x_process, x_list, x_names);
    if (!parked) return parked.error();
    for (ParkedDescriptor& one : *parked) x_waiters.emplace(one.fd, std::move(one.waiters));
    auto requests = http_requests(x_process, x_list);
    if (!requests) return requests.error();
    for (HttpRequest& request : *requests) x_requests.emplace(request.fd, std::move(request));
    auto pools = sql_pools(x_process, x_list);
    if (!pools) return pools.error();
    for (SqlPool& one : *pools) x_pools.push_back(std::make_shared<SqlPool>(std::move(one)));
    return {};
  }

  // nullopt: it has ended. `bound`: for how long it is known not to have moved, in seconds.
  std::optional<GoroutineNow> goroutine(uint64_t id, double bound) const {
    const LiveGoroutine* found = find_goroutine(x_list, id);
    if (found == nullptr) return std::nullopt;
    GoroutineNow now;
    now.id = id;
    now.state = x_names.state(*found);
    now.wait_seconds = waiting(*found);
    if (bound > now.wait_seconds.value_or(0)) now.wait_seconds = bound;
    const auto& stack = x_names.stack(*found).frames;
    now.for_pool = role_of(stack, now.state) == GoRole::kWaitsForPool;
    auto at = own_frame(stack);
    now.own = at.has_value();
    if (!at) at = blocked_at(stack);
    if (at) now.at = stack[*at];
    return now;
  }
  // Whether an id that is not there belongs to a goroutine that has ended: not where some were
  // moving whenever they were read.
  bool knows_all() const { return x_list.moving == 0; }
  std::vector<DescriptorWaiter> waiters(int fd) const {
    const auto found = x_waiters.find(fd);
    return found == x_waiters.end() ? std::vector<DescriptorWaiter>() : found->second;
  }
  const std::vector<std::shared_ptr<const SqlPool>>& pools() const { return x_pools; }
  // Goroutines that wait until a pool has a connection for them, of any library that is known.
  uint64_t want_one() const {
    std::vector<uint8_t> roles(x_list.stacks.size(), kNotAsked);
    uint64_t count = 0;
    for (const LiveGoroutine& one : x_list.goroutines) {
      if (one.stack >= roles.size() || one.status != GoroutineStatus::kWaiting) continue;
      uint8_t& wants = roles[one.stack];
      if (wants == kNotAsked)
        wants = role_of(x_names.stack(one).frames, x_names.state(one)) == GoRole::kWaitsForPool;
      count += wants;
    }
    return count;
  }
  // Whose pool has it, and whether it has lent it.
  void tell_pool(int fd, Owner& owner) const {
    for (const auto& pool : x_pools) {
      for (const auto& connection : pool->connections) {
        if (connection.fd != fd) continue;
        owner.pool = pool;
        owner.lent = connection.in_use;
        return;
      }
    }
  }
  std::optional<HttpRequest> request(int fd) const {
    const auto found = x_requests.find(fd);
    return found == x_requests.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  static constexpr uint8_t kNotAsked = 2;
  std::optional<double> waiting(const LiveGoroutine& one) const {
    if (one.waiting_since <= 0 || one.waiting_since >= x_list.read_at) return std::nullopt;
    return static_cast<double>(x_list.read_at - one.waiting_since) / 1e9;
  }
  GoProcess& x_process;
  const GoroutineList& x_list;
  GoroutineNames& x_names;
  std::unordered_map<int, std::vector<DescriptorWaiter>> x_waiters;
  std::unordered_map<int, HttpRequest> x_requests;
  std::vector<std::shared_ptr<const SqlPool>> x_pools;
};

// Who was handed the connection last, where that was seen, else who made the last request; nullopt:
// not known.
std::optional<uint64_t> user_of(const ConnectionFacts& facts) {
  for (const auto& use : {facts.borrowed[0], facts.requests[0]}) {
    if (use) return use->by.goroutine == 0 ? std::nullopt : std::optional(use->by.goroutine);
  }
  return std::nullopt;
}

// A client's request is out, and nothing has happened since for longer.
bool unanswered_for(const History& history, Instant now, Duration longer) {
  const auto last = last_activity(history.facts);
  return history.facts.role == Role::kClient && is_socket(history.facts.kind) &&
         outstanding(history.facts, false) && last && now - *last > longer;
}

// Who used it last, and what that goroutine does now; nullopt: it has ended.
void tell_user(const ConnectionFacts& facts, Instant at, std::optional<GoroutineNow> now,
               const Moment& moment, Owner& owner) {
  // It ran when it used the connection.
  if (now && now->wait_seconds && facts.last_send)
    now->wait_seconds = std::min(*now->wait_seconds, seconds(at - *facts.last_send));
  // A goroutine of a library that sends for others uses nothing itself.
  if (!(now ? now->own : moment.knows_all())) return;
  owner.user = user_of(facts);
  owner.user_now = std::move(now);
}

// Of each descriptor of a process, whom it leads to.
using Peers = std::unordered_map<int, std::string>;

Peers peers_of(const ProcessId& process, const std::vector<History>& open) {
  Peers peers;
  for (const History& history : open) {
    if (!history.facts.peer.known()) continue;
    for (const Descriptor& descriptor : history.descriptors) {
      if (descriptor.process == process)
        peers.emplace(descriptor.fd, history.facts.peer.to_string());
    }
  }
  return peers;
}

LimitUse limit_of(const SqlPool& pool, const ProcessId& process, const Peers& peers) {
  LimitUse use;
  use.name = "pool";
  use.process = process;
  use.used = static_cast<uint64_t>(std::max<int64_t>(pool.in_use, 0));
  if (pool.max_open > 0) use.max = static_cast<uint64_t>(pool.max_open);
  use.waits = static_cast<uint64_t>(std::max<int64_t>(pool.waits, 0));
  use.idle = static_cast<uint64_t>(std::max<int64_t>(pool.idle, 0));
  for (const auto& connection : pool.connections) {
    if (!connection.fd) continue;
    if (connection.in_use) use.lent.push_back(*connection.fd);
    const auto peer = peers.find(*connection.fd);
    if (peer != peers.end()) use.peer = peer->second;
  }
  return use;
}

// Goroutines that each hold one: who holds several holds what they belong to.
void tell_one_each(const std::map<int, std::shared_ptr<Owner>>& owners) {
  std::map<uint64_t, std::vector<Owner*>> by_goroutine;
  for (const auto& [fd, owner] : owners) {
    if (owner->held && owner->held->holder.kind == HolderKind::kGoroutine)
      by_goroutine[owner->held->holder.goroutine].push_back(&*owner);
  }
  std::vector<Owner*> single;
  for (const auto& [goroutine, held] : by_goroutine) {
    const Holder& holder = held.front()->held->holder;
    if (held.size() == 1 && holder.own && holder.certainty == HolderCertainty::kCertain)
      single.push_back(held.front());
  }
  if (single.size() < 2) return;
  for (Owner* owner : single) owner->one_each = true;
}

// A goroutine that reaches several connections that were lent reaches what they belong to.
void tell_in_hand(const std::map<int, std::shared_ptr<Owner>>& owners) {
  std::map<uint64_t, size_t> lent;
  const auto has_it = [](const Owner& owner) {
    return owner.lent && owner.held && holds_what_was_lent(owner.held->holder);
  };
  for (const auto& [fd, owner] : owners) {
    if (has_it(*owner)) ++lent[owner->held->holder.goroutine];
  }
  for (const auto& [fd, owner] : owners) {
    owner->in_hand = has_it(*owner) && lent[owner->held->holder.goroutine] == 1;
  }
}

}  // namespace

void Owners::note(const ProcessId& process, const GoroutineList& list, Instant now) {
  auto& known = x_places[process];
  std::unordered_map<uint64_t, Place> fresh;
  if (list.goroutines.size() > kMostPlaces) {
    known.clear();
    return;
  }
  for (const LiveGoroutine& one : list.goroutines) {
    if (one.status != GoroutineStatus::kWaiting) continue;
    const auto before = known.find(one.id);
    const bool stayed =
        before != known.end() && before->second.pc == one.pc && before->second.sp == one.sp;
    fresh.emplace(one.id, Place{one.pc, one.sp, stayed ? before->second.since : now});
  }
  known = std::move(fresh);
}

void Owners::look(const std::map<ProcessId, ProcessInfo>& processes, Instant now) {
  for (const auto& [id, info] : processes) {
    if (!is_go(info)) continue;
    auto process = GoProcess::open(id, x_modules);
    if (!process) continue;
    if (const auto list = read_goroutines(*process)) note(id, *list, now);
  }
}

Status Owners::tell_of(GoProcess& process, Histories& histories,
                       const std::vector<const History*>& connections, const Asked& asked) {
  const auto list = read_goroutines(process);
  if (!list) return list.error();
  note(process.process(), *list, histories.now);
  const auto& places = x_places[process.process()];
  GoroutineNames names(process, *list, x_modules, x_symbolizer);
  Moment moment(process, *list, names);
  if (auto read = moment.read(); !read) return read;
  const auto goroutine = [&](uint64_t id) {
    const auto place = places.find(id);
    return moment.goroutine(
        id, place == places.end() ? 0 : seconds(histories.now - place->second.since));
  };
  std::map<int, std::shared_ptr<Owner>> by_fd;
  std::vector<int> fds;
  const uint64_t want_one = moment.want_one();
  for (const History* history : connections) {
    auto owner = std::make_shared<Owner>();
    if (const auto user = user_of(history->facts))
      tell_user(history->facts, histories.now, goroutine(*user), moment, *owner);
    for (const Descriptor& descriptor : history->descriptors) {
      if (descriptor.process != process.process()) continue;
      owner->waiters = moment.waiters(descriptor.fd);
      owner->request = moment.request(descriptor.fd);
      moment.tell_pool(descriptor.fd, *owner);
      // Of a pool that has lent all that it may have, who has them is of interest in any case.
      const bool lent_out =
          owner->lent && owner->pool->max_open > 0 && owner->pool->in_use >= owner->pool->max_open;
      // While somebody waits for a pool, those that nobody uses may be what it lacks.
      const bool lacking = want_one > 0 && history->facts.role != Role::kServer &&
                           histories.now - last_activity(history->facts).value_or(Instant{}) >
                               kLongIdle;
      // What was sent last needs no answer, where nobody waits for one.
      const bool forgotten =
          unanswered_for(*history, histories.now, asked.settled) && unawaited(*owner);
      owner->want_one = want_one;
      const bool wanted =
          lent_out || lacking || forgotten || asked.found.contains(history->facts.id);
      if (wanted && is_socket(history->facts.kind) && fds.size() < kMostAsked) {
        by_fd.emplace(descriptor.fd, owner);
        fds.push_back(descriptor.fd);
      }
      break;
    }
    histories.owners[history->facts.id] = owner;
  }
  if (!moment.pools().empty()) {
    const Peers peers = peers_of(process.process(), histories.open);
    for (const auto& pool : moment.pools())
      histories.limits.push_back(limit_of(*pool, process.process(), peers));
  }
  if (fds.empty()) return {};
  HolderNamesOf holder_names(process, x_modules, x_symbolizer);
  auto held = holders_of(process, *list, fds, holder_names);
  if (!held) return held.error();
  for (Held& one : held->held) {
    const auto known = by_fd.find(one.fd);
    if (known == by_fd.end()) continue;
    Owner& owner = *known->second;
    if (one.holder.kind == HolderKind::kGoroutine)
      owner.holder_now = goroutine(one.holder.goroutine);
    owner.held = std::move(one);
  }
  tell_in_hand(by_fd);
  tell_one_each(by_fd);
  return process.still_there();
}

void Owners::tell(Histories& histories, const Asked& asked) {
  std::map<ProcessId, std::vector<const History*>> by_process;
  for (const History& history : histories.open) {
    const bool listed = asked.connections.contains(history.facts.id) ||
                        unanswered_for(history, histories.now, asked.settled);
    if (!listed || history.descriptors.empty()) continue;
    by_process[history.descriptors.front().process].push_back(&history);
  }
  for (const auto& [id, connections] : by_process) {
    const auto info = histories.processes.find(id);
    if (info == histories.processes.end() || !is_go(info->second) || histories.ended.contains(id))
      continue;
    auto process = GoProcess::open(id, x_modules);
    const Status told =
        process ? tell_of(*process, histories, connections, asked) : Status(process.error());
    if (told) continue;
    for (const History* one : connections) histories.owners.erase(one->facts.id);
    x_notes.push_back(fmt::format("who holds what in process {} was not read from its memory: {}",
                                  id.pid, told.error().context));
  }
}

}  // namespace unclosed
