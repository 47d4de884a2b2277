#include "collect/polling/polling_collector.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace unclosed {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(10);  // of the times at which processes start
// How long what an ended process had is kept, in case that the others end as well.
constexpr Duration kOrphaned = std::chrono::milliseconds(700);

std::optional<Instant> later(const std::optional<Instant>& a, const std::optional<Instant>& b) {
  return !a ? b : !b ? a : std::max(*a, *b);
}

// The kernel's clocks have steps of some ms: only what moved bytes is a new moment.
void note_use(std::optional<Instant>& last, uint64_t& bytes, const std::optional<uint64_t>& now,
              const std::optional<Duration>& since, Instant at) {
  if (!now || !since || *now == bytes) return;
  bytes = *now;
  if (*now > 0) last = at - *since;
}

Role role_of(const SocketFact& fact, bool served) {
  if (fact.listening) return Role::kListener;
  if (fact.kind == Kind::kUnix) {
    if (fact.peer_inode == 0) return Role::kUnknown;
    if (!fact.name.empty()) return Role::kServer;
    return fact.peer_name.empty() ? Role::kUnknown : Role::kClient;
  }
  if (!fact.peer.known()) return Role::kUnknown;
  return served ? Role::kServer : Role::kClient;
}

}  // namespace

Status PollingCollector::add_target(const ProcessId& process) {
  const auto table = DescriptorTable::open(process);
  if (!table) return table.error();
  if (x_targets.empty() && x_scans == 0) x_added = monotonic_now();
  if (std::find(x_targets.begin(), x_targets.end(), process) == x_targets.end()) {
    x_targets.push_back(process);
  }
  return {};
}

Status PollingCollector::add_before_exec(const ProcessId& process) {
  if (auto added = add_target(process); !added) return added;
  const auto table = DescriptorTable::open(process);
  if (!table) return table.error();
  auto part = table->read(0, DescriptorTable::kEnd, DescriptorTable::Names::kSkip);
  if (!part) return part.error();
  x_inherited = std::move(part->descriptors);
  std::erase_if(x_inherited,
                [&](const auto& one) { return table->closes_on_exec(one.fd).value_or(true); });
  x_from_exec = true;
  return {};
}

// Whether it was open when the look began.
bool PollingCollector::from_before(const ListedDescriptor& one) const {
  if (!x_from_exec) return x_scans == 1;
  return std::any_of(x_inherited.begin(), x_inherited.end(), [&](const ListedDescriptor& older) {
    return older.inode == one.inode && older.socket == one.socket &&
           (one.socket || (older.fd == one.fd && older.kind == one.kind));
  });
}

PollingCollector::Sockets& PollingCollector::sockets_of(const ProcessId& process) {
  struct stat status {};
  const bool seen = ::stat(fmt::format("/proc/{}/ns/net", process.pid).c_str(), &status) == 0;
  Sockets& sockets = x_sockets[seen ? status.st_ino : 0];
  if (sockets.known) return sockets;
  sockets.known = true;
  const auto diag = SockDiag::open(process);
  const auto dump = diag ? diag->dump() : Result<SocketDump>(diag.error());
  if (!dump) {
    x_notes[fmt::format("sockets have no state: {}", dump.error().context)] = true;
    return sockets;
  }
  for (const auto& note : dump->notes) x_notes[note] = true;
  for (const SocketFact& fact : dump->sockets) {
    sockets.by_inode.emplace(fact.inode, fact);
    if (fact.listening) sockets.listening[fact.local.port] = true;
  }
  return sockets;
}

void PollingCollector::learn(ConnectionFacts& facts, const SocketFact* fact,
                             const Sockets& sockets) const {
  const TcpState before = facts.state;
  if (fact == nullptr) {
    // In no list of the kernel: a TCP socket that was connected is so no longer.
    if (facts.kind == Kind::kTcp) facts.state = TcpState::kClose;
  } else {
    facts.kind = fact->kind;
    facts.state = fact->state;
    facts.local = fact->local;
    facts.peer = fact->peer;
    facts.name = fact->peer_name.empty() ? fact->name : fact->peer_name;
    facts.role = role_of(*fact, sockets.listening.count(fact->local.port) > 0);
    facts.recv_queue = fact->recv_queue;
    facts.send_queue = fact->send_queue;
    facts.unanswered_probes = fact->unanswered_probes;
    facts.keepalive = fact->keepalive;
    const auto used = later(facts.last_send, facts.last_receive);
    note_use(facts.last_send, facts.bytes_sent, fact->bytes_sent, fact->since_sent, x_now);
    note_use(facts.last_receive, facts.bytes_received, fact->bytes_received, fact->since_received,
             x_now);
    const auto used_now = later(facts.last_send, facts.last_receive);
    if (used && used_now && *used_now > *used) {
      facts.longest_idle_gap = std::max(facts.longest_idle_gap, *used_now - *used);
    }
  }
  if (before == facts.state || before == TcpState::kNone) return;
  facts.state_since = x_now;
  if (facts.state == TcpState::kCloseWait) facts.peer_closed_at = x_now;
}

bool PollingCollector::same_file(const Known& known, const ListedDescriptor& one,
                                 const std::string& link) {
  return known.facts.kind == one.kind && known.facts.inode == one.inode && known.link == link;
}

// What a fork left the process under the number of its parent's: the numbers are the same. The
// kernel tells whether that is one file; where it does not, or the parent has closed it since, what
// looks the same is.
std::optional<PollingCollector::Key> PollingCollector::inherited(const Descriptor& place,
                                                                 const ListedDescriptor& one,
                                                                 const std::string& link) const {
  if (!x_parent) return std::nullopt;
  const auto at = x_places.find({*x_parent, place.fd});
  if (at == x_places.end()) return std::nullopt;
  const auto is = [&](const std::optional<Key>& key) {
    const auto known = key ? x_known.find(*key) : x_known.end();
    return known != x_known.end() && same_file(known->second, one, link);
  };
  const Place& parents = at->second;
  const bool there = parents.scan == x_scans;
  if (is(parents.key) && (!there || x_proc.same_file(at->first, place).value_or(true))) {
    return parents.key;
  }
  return there && is(parents.before) ? parents.before : std::nullopt;
}

// By which key that is known which a number is open on, and is no socket.
PollingCollector::Key PollingCollector::key_at(const Descriptor& place, const ListedDescriptor& one,
                                               const std::string& link) {
  const auto [at, fresh] = x_places.try_emplace(place);
  Place& entry = at->second;
  if (!fresh) {
    const auto known = x_known.find(entry.key);
    if (known != x_known.end() && same_file(known->second, one, link)) {
      entry.scan = x_scans;
      entry.before.reset();
      return entry.key;
    }
    entry.before = entry.key;  // another file has the number now
  }
  const auto parents = inherited(place, one, link);
  entry.key = parents.value_or(Key{static_cast<uint64_t>(place.fd), x_generation + 1});
  entry.scan = x_scans;
  return entry.key;
}

void PollingCollector::take(const ProcessId& process, const ListedDescriptor& one,
                            const std::string& link, const Sockets& sockets) {
  const Key key = one.socket ? Key{one.inode, 0} : key_at({process, one.fd}, one, link);
  Known& known = x_known[key];
  if (known.scan == 0) {
    known.facts.id = {key.object ^ key.place << 1, ++x_generation};
    known.facts.opener = process;
    known.facts.kind = one.kind;
    known.facts.inode = one.inode;
    known.facts.before_attach = from_before(one);
    known.facts.opened.at = x_now;
    known.link = link;
    if (!one.socket) known.facts.name = link;
    if (!known.facts.before_attach) ++x_opened;
  }
  if (one.socket) {
    const auto found = sockets.by_inode.find(one.inode);
    learn(known.facts, found == sockets.by_inode.end() ? nullptr : &found->second, sockets);
  }
  if (known.scan != x_scans) known.descriptors.clear();
  known.scan = x_scans;
  known.descriptors.push_back({process, one.fd});
  known.facts.shared = known.descriptors.size() > 1;
}

// Of one whose first thread is on its way out the table is nobody's to read, then empty: it ends,
// or its other threads live on.
PollingCollector::Look PollingCollector::without_table(const ProcessId& process) const {
  if (!x_proc.alive(process) || x_proc.ending(process)) return Look::kEnded;
  return x_proc.first_thread_ending(process) ? Look::kFading : Look::kAlive;
}

PollingCollector::Look PollingCollector::look(const ProcessId& process, RecordSink& sink) {
  const auto table = DescriptorTable::open(process);
  if (!table) {
    return table.error().kind == ErrorKind::kGone ? Look::kEnded : without_table(process);
  }
  const auto part = table->read(0, DescriptorTable::kEnd, DescriptorTable::Names::kRead);
  if (!part || x_proc.first_thread_ending(process)) return without_table(process);
  const Sockets& sockets = sockets_of(process);
  x_parent.reset();
  if (x_looked_at.insert(process).second) {
    if (const auto info = x_proc.info(process)) x_parent = info->parent;
  }
  const std::string nothing;
  for (ListedDescriptor one : part->descriptors) {
    if (one.socket && !sockets.by_inode.contains(one.inode)) {
      const auto protocol = table->protocol(one.fd);
      if (protocol) one.kind = kind_of_protocol(*protocol);
    }
    take(process, one, one.name == 0 ? nothing : part->names[one.name - 1], sockets);
  }
  x_descriptors += part->descriptors.size();
  if (auto limit = x_proc.nofile(process)) sink.accept(LimitSeen{monotonic_now(), *limit});
  return Look::kAlive;
}

bool PollingCollector::fading(const Known& known) const {
  return std::any_of(known.descriptors.begin(), known.descriptors.end(),
                     [&](const Descriptor& one) { return x_fading.contains(one.process); });
}

bool PollingCollector::ended_just_now(const Known& known) const {
  return std::all_of(known.descriptors.begin(), known.descriptors.end(),
                     [&](const Descriptor& one) {
                       const auto ended = x_ended.find(one.process);
                       return ended != x_ended.end() && x_now - ended->second < kOrphaned;
                     });
}

void PollingCollector::follow_children(RecordSink& sink) {
  for (size_t i = 0; i < x_targets.size(); ++i) {
    const auto children = x_proc.children(x_targets[i]);
    if (!children) continue;
    for (const ProcessId& child : *children) {
      const bool known = std::find(x_targets.begin(), x_targets.end(), child) != x_targets.end();
      if (known || x_strangers.contains(child) || !add_target(child)) continue;
      if (auto info = x_proc.info(child)) sink.accept(ProcessSeen{x_now, *std::move(info)});
    }
  }
}

Status PollingCollector::scan(RecordSink& sink) {
  // Nobody is left: what the look at their end told stands.
  if (x_targets.empty() && x_scans > 0) return {};
  ++x_scans;
  x_now = monotonic_now();
  if (x_scans == 1) {
    for (const ProcessId& target : x_targets) {
      if (const auto children = x_proc.children(target)) {
        for (const ProcessId& child : *children) {
          if (x_proc.started(child) + kTick < x_added) x_strangers.insert(child);
        }
      }
    }
  }
  follow_children(sink);
  // Parents first: what a child has inherited is known by what its parent has.
  std::stable_sort(x_targets.begin(), x_targets.end(), [](const ProcessId& a, const ProcessId& b) {
    return a.start_ticks < b.start_ticks;
  });
  x_sockets.clear();
  x_descriptors = 0;
  sink.accept(ScanBegin{x_now});
  x_fading.clear();
  std::erase_if(x_targets, [&](const ProcessId& target) {
    const Look found = look(target, sink);
    if (found == Look::kFading) x_fading.insert(target);
    if (found != Look::kEnded) return false;
    sink.accept(ProcessGone{x_now, target});
    x_ended[target] = x_now;
    x_looked_at.erase(target);
    return true;
  });
  std::erase_if(x_places, [&](const auto& entry) { return entry.second.scan != x_scans; });
  for (auto entry = x_known.begin(); entry != x_known.end();) {
    const Known& known = entry->second;
    if (known.scan == x_scans || fading(known)) {
      sink.accept(Seen{x_now, known.facts, known.descriptors});
      ++entry;
      continue;
    }
    // When nobody is left, what they had open at the last look is what they had at their end: so
    // what one of them had is kept a while, until it is clear whether the others live on.
    const bool orphan = x_targets.empty() || ended_just_now(known);
    if (orphan) sink.accept(Seen{x_now, known.facts, known.descriptors});
    if (orphan && !x_targets.empty()) {
      ++entry;
      continue;
    }
    if (!orphan) {
      sink.accept(Vanished{x_last, x_now, known.facts.id});
      ++x_closed;
    }
    entry = x_known.erase(entry);
  }
  std::erase_if(x_ended, [&](const auto& entry) { return x_now - entry.second > kOrphaned; });
  x_last = monotonic_now();
  sink.accept(ScanEnd{x_last, x_opened, x_closed});
  return {};
}

std::vector<std::string> PollingCollector::notes() const {
  std::vector<std::string> notes = {
      "what came and went between two looks was not seen; moments are bounds"};
  for (const auto& [note, said] : x_notes) notes.push_back(note);
  return notes;
}

}  // namespace unclosed
