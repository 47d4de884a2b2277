// What the descriptors of one process come to: counts by kind and state, queues, peers, bounds of
// age. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/listing.h"

namespace unclosed {

inline constexpr size_t kKinds = static_cast<size_t>(Kind::kOther) + 1;
inline constexpr size_t kTcpStates = 13;

// Local ports from one address towards one peer: each connection takes one.
struct PortUse {
  Endpoint peer;
  uint64_t used = 0, max = 0;
};

struct ListingSummary {
  std::array<uint64_t, kKinds> kinds{};
  std::array<uint64_t, kTcpStates> states{};  // of TCP sockets
  uint64_t unlisted = 0;                      // TCP sockets that are in no list of the kernel
  uint64_t unread = 0, unsent = 0;            // bytes in the queues of TCP connections
  std::optional<double> oldest_seconds;       // one connection at least is so old
  std::optional<double> idlest_seconds;       // and one is idle for so long
  // To whom, commonest first, at most kMostPeers: an address and port that it dials, or an address
  // alone ("10.0.0.7") of those who dialled it, or the name of a unix socket.
  std::vector<std::pair<std::string, uint64_t>> peers;
  std::optional<PortUse> ports;  // the peer to which most ports are in use

  uint64_t of(Kind kind) const { return kinds[static_cast<size_t>(kind)]; }
  uint64_t of(TcpState state) const { return states[static_cast<size_t>(state)]; }
};

inline constexpr size_t kMostPeers = 5;

using PortRange = std::optional<std::pair<uint16_t, uint16_t>>;
ListingSummary summarize(const ListedProcess& process, const PortRange& ports);

// Which descriptors are listed; empty: all.
struct ListingFilter {
  std::vector<Kind> kinds;
  std::vector<TcpState> states;
  bool empty() const { return kinds.empty() && states.empty(); }
};
// Takes out what the filter does not want, and processes of which nothing is left.
void apply_filter(const ListingFilter& filter, Listing& listing);

enum class ListingOrder : uint8_t { kLimit, kDescriptors, kGrowth, kPid };
// kLimit: the first to be exhausted, then the fullest.
void sort_listing(ListingOrder order, Listing& listing);

}  // namespace unclosed
