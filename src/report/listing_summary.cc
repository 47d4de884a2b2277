#include "report/listing_summary.h"

#include <algorithm>
#include <limits>
#include <set>
#include <unordered_map>

namespace unclosed {
namespace {

bool in_range(uint16_t port, const PortRange& range) {
  return range && port >= range->first && port <= range->second;
}

struct EndpointHash {
  size_t operator()(const Endpoint& end) const {
    uint64_t high = 0, low = 0;
    std::copy_n(end.address.data(), 8, reinterpret_cast<uint8_t*>(&high));
    std::copy_n(end.address.data() + 8, 8, reinterpret_cast<uint8_t*>(&low));
    const uint64_t mixed = (high ^ low * 31 ^ end.port) * 0x9e3779b97f4a7c15ULL;
    return mixed ^ mixed >> 32;
  }
};
using Counts = std::unordered_map<Endpoint, uint64_t, EndpointHash>;

// An address alone, for peers whose port is only the number that their end took.
Endpoint without_port(Endpoint end) {
  end.port = 0;
  return end;
}

std::string words_of(const Endpoint& end) {
  const std::string text = end.to_string();
  return end.port == 0 ? text.substr(0, text.rfind(':')) : text;
}

void put_peers(const ListedProcess& process, const PortRange& range, ListingSummary& summary) {
  std::set<uint16_t> listening;
  for (const auto& one : process.descriptors) {
    if (one.state == TcpState::kListen) listening.insert(one.local.port);
  }
  Counts dialled, dialling;
  std::unordered_map<std::string, uint64_t> named;
  for (const auto& one : process.descriptors) {
    if (one.kind == Kind::kUnix && one.name != 0) ++named[process.names[one.name - 1]];
    if (!one.peer.known()) continue;
    const bool served = listening.count(one.local.port) > 0 || !in_range(one.local.port, range);
    if (served && in_range(one.peer.port, range)) {
      ++dialling[without_port(one.peer)];
    } else {
      ++dialled[one.peer];
    }
  }
  auto& peers = summary.peers;
  for (const auto& [end, count] : dialling) peers.emplace_back(words_of(end), count);
  for (const auto& [end, count] : dialled) {
    peers.emplace_back(words_of(end), count);
    if (range && (!summary.ports || count > summary.ports->used)) {
      summary.ports = {end, count, static_cast<uint64_t>(range->second - range->first) + 1};
    }
  }
  peers.insert(peers.end(), named.begin(), named.end());
  std::sort(peers.begin(), peers.end(), [](const auto& a, const auto& b) {
    return std::pair(b.second, a.first) < std::pair(a.second, b.first);
  });
  if (peers.size() > kMostPeers) peers.resize(kMostPeers);
}

void raise(std::optional<double>& most, int32_t ms) {
  if (ms >= 0) most = std::max(most.value_or(0), ms / 1000.0);
}

template <class T>
bool wanted(const std::vector<T>& words, T value) {
  return words.empty() || std::find(words.begin(), words.end(), value) != words.end();
}

double fullness(const ListedProcess& one) {
  if (!one.nofile || !one.nofile->max || *one.nofile->max == 0) return 0;
  return static_cast<double>(one.nofile->used) / static_cast<double>(*one.nofile->max);
}

double time_left(const ListedProcess& one) {
  return one.exhausted_in_seconds.value_or(std::numeric_limits<double>::infinity());
}

uint64_t used(const ListedProcess& one) { return one.nofile ? one.nofile->used : 0; }

}  // namespace

ListingSummary summarize(const ListedProcess& process, const PortRange& ports) {
  ListingSummary summary;
  for (const auto& one : process.descriptors) {
    ++summary.kinds[static_cast<size_t>(one.kind)];
    if (one.unlisted) ++summary.unlisted;
    if (one.kind == Kind::kTcp) ++summary.states[static_cast<size_t>(one.state)];
    if (one.kind == Kind::kTcp && one.state != TcpState::kListen) {
      summary.unread += one.recv_queue;
      summary.unsent += one.send_queue;
    }
    raise(summary.oldest_seconds, one.older_ms);
    raise(summary.idlest_seconds, one.idle_ms);
  }
  put_peers(process, ports, summary);
  return summary;
}

void apply_filter(const ListingFilter& filter, Listing& listing) {
  if (filter.empty()) return;
  for (ListedProcess& process : listing.processes) {
    std::erase_if(process.descriptors, [&](const ListedDescriptor& one) {
      return !wanted(filter.kinds, one.kind) || !wanted(filter.states, one.state);
    });
  }
  std::erase_if(listing.processes, [](const ListedProcess& process) {
    return process.descriptors.empty() && process.obstacle.empty();
  });
}

void sort_listing(ListingOrder order, Listing& listing) {
  const auto before = [order](const ListedProcess& a, const ListedProcess& b) {
    const double a_growth = a.growth_per_second.value_or(0);
    const double b_growth = b.growth_per_second.value_or(0);
    switch (order) {
      case ListingOrder::kLimit:
        if (time_left(a) != time_left(b)) return time_left(a) < time_left(b);
        if (fullness(a) != fullness(b)) return fullness(a) > fullness(b);
        break;
      case ListingOrder::kDescriptors:
        if (used(a) != used(b)) return used(a) > used(b);
        break;
      case ListingOrder::kGrowth:
        if (a_growth != b_growth) return a_growth > b_growth;
        break;
      case ListingOrder::kPid:
        break;
    }
    return a.id.pid < b.id.pid;
  };
  std::stable_sort(listing.processes.begin(), listing.processes.end(), before);
}

}  // namespace unclosed
