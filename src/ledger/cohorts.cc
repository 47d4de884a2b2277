#include "ledger/cohorts.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace unclosed {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 29);
}

// An IPv4 address in IPv6 clothes is the same peer.
// What has no port is connected to nobody.
Endpoint plain(Endpoint endpoint) {
  if (endpoint.port == 0) return {};
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (endpoint.family != AF_INET6 ||
      !std::equal(kMapped.begin(), kMapped.end(), endpoint.address.begin())) {
    return endpoint;
  }
  Endpoint v4{AF_INET, endpoint.port, {}};
  std::copy_n(endpoint.address.begin() + 12, 4, v4.address.begin());
  return v4;
}

}  // namespace

size_t CohortIdentityHash::operator()(const CohortIdentity& identity) const {
  uint64_t hash = mix(identity.opened, static_cast<uint64_t>(identity.kind) << 8 |
                                           static_cast<uint64_t>(identity.role));
  uint64_t words[2];
  std::memcpy(words, identity.endpoint.address.data(), sizeof words);
  hash = mix(mix(mix(hash, words[0]), words[1]),
             static_cast<uint64_t>(identity.endpoint.family) << 16 | identity.endpoint.port);
  return identity.name.empty() ? hash : mix(hash, std::hash<std::string>()(identity.name));
}

CohortIdentity cohort_identity(const ConnectionFacts& facts) {
  CohortIdentity identity{.opened = facts.before_attach ? kNoStack : facts.opened.stack,
                          .kind = facts.kind,
                          .role = facts.role,
                          .endpoint = {},
                          .name = {}};
  // Accepted: every client differs, and what they share is the port they came in by. Listeners that
  // one site opens share nothing else: each has a port of its own.
  if (facts.role != Role::kListener) {
    identity.endpoint = plain(facts.role == Role::kServer ? facts.local : facts.peer);
  }
  // A file's path is its own affair: the files that one site opens are siblings.
  if (facts.kind == Kind::kUnix) identity.name = facts.name;
  return identity;
}

CohortKey cohort_key(const CohortIdentity& identity) {
  return {identity.opened, identity.kind, identity.role,
          identity.endpoint.known() ? identity.endpoint.to_string() : identity.name};
}

void CohortState::add_opening(Instant at, const ProcessId& process) {
  ++opened;
  openings.add({at, process});
}

void CohortState::add_closed(const Closed& record, Instant base, uint64_t random) {
  const ConnectionFacts& facts = record.facts;
  const StackId closed_by = record.closed_by.stack;
  if (!facts.before_attach) {
    ++closed;
    lifetimes.add(record.at - facts.opened.at);
  }
  if (facts.longest_idle_gap.count() > 0) closed_gaps.add(facts.longest_idle_gap);
  if (facts.tenure && facts.last_receive && *facts.last_receive > facts.tenure->at) {
    busy_times.add(*facts.last_receive - facts.tenure->at);
  }
  const auto sample = [&] {
    return Sample{PackedFacts(facts, {}, base), record.at, closed_by, record.by_collector};
  };
  bool first = false;
  if (record.by_collector) {
    first = ++collected == 1;
  } else if (closed_by != kNoStack) {
    const auto known = std::find_if(closers.begin(), closers.end(),
                                    [&](const auto& it) { return it.stack == closed_by; });
    if (known != closers.end()) {
      ++known->count;
    } else if (closers.size() < Cohort::kMostClosers) {
      closers.push_back({closed_by, 1});
      first = true;
    }
  }
  if (first && first_of_closer.size() < Cohort::kMostFirsts) first_of_closer.push_back(sample());
  // Reservoir sampling: every closed member has the same chance to be remembered, but for those
  // whose closer was seen, which is not at every close: half of the places are theirs.
  auto& half = closed_by != kNoStack || record.by_collector ? closer_seen : closer_unseen;
  const uint64_t seen = ++half.seen;
  if (half.samples.size() < Cohort::kMostSamples / 2) {
    half.samples.push_back(sample());
  } else if (const uint64_t place = random % seen; place < Cohort::kMostSamples / 2) {
    half.samples[place] = sample();
  }
}

uint32_t CohortState::dials_between(const ProcessId& process, Instant after, Instant before) const {
  uint32_t count = 0;
  openings.newest_first([&](const Opening& opening) {
    if (opening.at > after && opening.at < before && opening.process == process) ++count;
    return count < 16;
  });
  return count;
}

Cohort CohortState::copy(Instant base) const {
  Cohort cohort;
  cohort.opened = opened;
  cohort.closed = closed;
  cohort.collected = collected;
  cohort.lifetimes = lifetimes;
  cohort.idle_gaps = closed_gaps;
  cohort.idle_gaps.merge(open_gaps);
  cohort.busy_times = busy_times;
  for (const auto& opening : openings.in_order()) {
    cohort.openings.push_back(opening.at);
    cohort.openers.push_back(opening.process);
  }
  cohort.reuses = reuses.in_order();
  cohort.closers = closers;
  std::stable_sort(cohort.closers.begin(), cohort.closers.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  const auto unpacked = [&](const Sample& sample) {
    return ClosedSample{sample.facts.facts(base), sample.closed_at, sample.closed_by,
                        sample.by_collector};
  };
  for (const auto* half : {&closer_seen, &closer_unseen}) {
    for (const auto& sample : half->samples) cohort.samples.push_back(unpacked(sample));
  }
  for (const auto& sample : first_of_closer) cohort.firsts.push_back(unpacked(sample));
  cohort.course = course;
  cohort.passed_over_reused = passed_over_reused;
  return cohort;
}

uint32_t Cohorts::find_or_add(const CohortIdentity& identity) {
  const auto [place, added] = x_index.try_emplace(identity, 0);
  if (!added) return place->second;
  uint32_t index = 0;
  if (!x_free.empty()) {
    index = x_free.back();
    x_free.pop_back();
  } else {
    index = static_cast<uint32_t>(x_states.size());
    x_states.emplace_back();
  }
  x_states[index] = std::make_unique<CohortState>();
  x_states[index]->identity = identity;
  place->second = index;
  return index;
}

void Cohorts::shrink() {
  if (x_index.size() <= kMost) return;
  std::vector<uint32_t> idle;
  for (uint32_t i = 0; i < slots(); ++i) {
    if (used(i) && x_states[i]->open_now == 0) idle.push_back(i);
  }
  std::sort(idle.begin(), idle.end(),
            [&](uint32_t a, uint32_t b) { return x_states[a]->touched < x_states[b]->touched; });
  for (const uint32_t index : idle) {
    if (x_index.size() <= kMost * 3 / 4) break;
    x_index.erase(x_states[index]->identity);
    x_states[index].reset();
    x_free.push_back(index);
  }
}

}  // namespace unclosed
