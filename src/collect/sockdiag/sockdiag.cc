#include "collect/sockdiag/sockdiag.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <unordered_map>

#include "base/bytes.h"
#include "collect/sockdiag/netlink.h"

namespace unclosed {
namespace {

constexpr int kMostTries = 4;

Result<uint64_t> inode_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error(errno, "network namespace");
  return status.st_ino;
}

// The network namespace of a process; kGone when the pid is another process's by now.
Result<Fd> namespace_of(const ProcessId& process) {
  const auto place = fmt::format("/proc/{}", process.pid);
  const auto directory = Fd::open(place, O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  const auto stat = Fd::open_at(directory->get(), "stat", O_RDONLY);
  if (!stat) return stat.error();
  const auto text = read_all(stat->get(), place + "/stat");
  if (!text) return text.error();
  // Field 22 is the 20th behind the name, which ends at the last ')'.
  size_t at = text->rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text->find(' ', at + 1);
  uint64_t ticks = 0;
  if (at != std::string::npos) {
    std::from_chars(text->data() + at + 1, text->data() + text->size(), ticks);
  }
  if (ticks != process.start_ticks) {
    return Error{ErrorKind::kGone, fmt::format("process {} has ended", process.pid), {}};
  }
  return Fd::open_at(directory->get(), "ns/net", O_RDONLY);
}

// A netlink socket stays in the namespace in which it was made. A thread of its own enters that
// namespace, so that no other thread ever leaves its own.
Result<Fd> netlink_socket_in(int network_namespace) {
  Result<Fd> made = system_error(EINVAL, "asking the kernel for its sockets");
  std::thread([&] {
    if (::setns(network_namespace, CLONE_NEWNET) != 0) {
      made = system_error(errno, "entering the network namespace of the process");
    } else {
      made = netlink_socket();
    }
  }).join();
  return made;
}

Bytes bytes_of(const void* start, size_t size) {
  return {static_cast<const std::byte*>(start), size};
}

Endpoint endpoint(uint8_t family, uint16_t port, const __be32* address) {
  Endpoint out;
  out.family = family;
  out.port = ntohs(port);
  std::memcpy(out.address.data(), address, family == AF_INET ? 4 : 16);
  return out;
}

void put_tcp_info(Bytes value, SocketFact& fact) {
  struct tcp_info info {};
  std::memcpy(&info, value.data(), std::min(value.size(), sizeof info));
  const auto has = [&](size_t end) { return value.size() >= end; };
  fact.unacked = info.tcpi_unacked;
  fact.unanswered_probes = std::max(info.tcpi_retransmits, info.tcpi_probes);
  using Milliseconds = std::chrono::milliseconds;
  if (has(offsetof(struct tcp_info, tcpi_last_ack_recv))) {
    fact.since_sent = Milliseconds(info.tcpi_last_data_sent);
    fact.since_received = Milliseconds(info.tcpi_last_data_recv);
  }
  if (has(offsetof(struct tcp_info, tcpi_bytes_received) + 8)) {
    fact.bytes_received = info.tcpi_bytes_received;
  }
  if (has(offsetof(struct tcp_info, tcpi_bytes_sent) + 8)) fact.bytes_sent = info.tcpi_bytes_sent;
}

std::optional<SocketFact> inet_fact(Bytes payload, Kind kind) {
  const auto message = load<inet_diag_msg>(payload, 0);
  if (!message || message->idiag_inode == 0) return {};
  constexpr uint8_t kKeepAliveTimer = 2;
  SocketFact fact;
  fact.kind = kind;
  fact.inode = message->idiag_inode;
  fact.cookie =
      static_cast<uint64_t>(message->id.idiag_cookie[1]) << 32 | message->id.idiag_cookie[0];
  fact.uid = message->idiag_uid;
  fact.local = endpoint(message->idiag_family, message->id.idiag_sport, message->id.idiag_src);
  if (message->id.idiag_dport != 0) {
    fact.peer = endpoint(message->idiag_family, message->id.idiag_dport, message->id.idiag_dst);
  }
  fact.recv_queue = message->idiag_rqueue;
  fact.send_queue = message->idiag_wqueue;
  if (kind != Kind::kTcp) return fact;
  fact.state = static_cast<TcpState>(message->idiag_state);
  fact.listening = fact.state == TcpState::kListen;
  fact.keepalive = message->idiag_timer == kKeepAliveTimer;
  if (fact.listening) {
    fact.send_queue = 0;  // there it is the length of the backlog
    return fact;
  }
  if (peer_has_ended(fact.state)) fact.read_to_end = fact.recv_queue == 0;
  const auto queues = without_control(fact.state, {fact.recv_queue, fact.send_queue});
  fact.recv_queue = queues.unread;
  fact.send_queue = queues.unacknowledged;
  each_attribute(*tail(payload, NLMSG_ALIGN(sizeof(inet_diag_msg))),
                 [&](uint16_t type, Bytes value) {
                   if (type == INET_DIAG_INFO) put_tcp_info(value, fact);
                 });
  return fact;
}

std::optional<SocketFact> unix_fact(Bytes payload) {
  const auto message = load<unix_diag_msg>(payload, 0);
  if (!message || message->udiag_ino == 0) return {};
  SocketFact fact;
  fact.kind = Kind::kUnix;
  fact.inode = message->udiag_ino;
  fact.cookie = static_cast<uint64_t>(message->udiag_cookie[1]) << 32 | message->udiag_cookie[0];
  fact.state = static_cast<TcpState>(message->udiag_state);
  fact.listening = fact.state == TcpState::kListen;
  each_attribute(*tail(payload, NLMSG_ALIGN(sizeof(unix_diag_msg))),
                 [&](uint16_t type, Bytes value) {
                   if (type == UNIX_DIAG_NAME && !value.empty()) {
                     fact.name.assign(reinterpret_cast<const char*>(value.data()), value.size());
                     if (fact.name.front() == '\0') {
                       fact.name.front() = '@';
                     } else {
                       fact.name.resize(std::min(fact.name.find('\0'), fact.name.size()));
                     }
                   }
                   if (type == UNIX_DIAG_PEER)
                     fact.peer_inode = load<uint32_t>(value, 0).value_or(0);
                   if (type == UNIX_DIAG_RQLEN) {
                     const auto queue = load<unix_diag_rqlen>(value, 0);
                     if (!queue) return;
                     fact.recv_queue = queue->udiag_rqueue;
                     if (!fact.listening) fact.send_queue = queue->udiag_wqueue;
                   }
                 });
  return fact;
}

struct Question {
  std::string name;
  std::vector<std::byte> request;
  std::function<std::optional<SocketFact>(Bytes)> read;
};

Question inet_question(uint8_t family, uint8_t protocol, Kind kind) {
  const bool tcp = protocol == IPPROTO_TCP;
  const auto request = inet_request(family, protocol, tcp ? 1 << (INET_DIAG_INFO - 1) : 0);
  const auto bytes = bytes_of(&request, sizeof request);
  return {fmt::format("{}{}", to_string(kind), family == AF_INET6 ? " over IPv6" : ""),
          {bytes.begin(), bytes.end()},
          [kind](Bytes payload) { return inet_fact(payload, kind); }};
}

Question unix_question() {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = UINT32_MAX;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN;
  const auto bytes = bytes_of(&request, sizeof request);
  return {"unix", {bytes.begin(), bytes.end()}, unix_fact};
}

// Adds the answers to `dump`; repeats a dump that changes of the lists have interrupted, and keeps
// the longest.
Status put_answers(int socket, const Question& question, SocketDump& dump) {
  std::vector<SocketFact> best;
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    std::vector<SocketFact> facts;
    const auto answer = ask_netlink(socket, question.request, [&](Bytes payload) {
      if (auto fact = question.read(payload)) facts.push_back(std::move(*fact));
    });
    if (!answer) {
      // A kernel without IPv6, or without the module of a protocol, has no such sockets to show.
      if (attempt == 0 && answer.error().kind != ErrorKind::kDenied) {
        dump.complete = false;
        dump.notes.push_back(
            fmt::format("{} sockets were not seen: {}", question.name, answer.error().context));
        return {};
      }
      return answer.error();
    }
    if (facts.size() >= best.size()) best = std::move(facts);
    if (*answer == NetlinkAnswer::kDone) break;
    if (attempt + 1 == kMostTries) {
      dump.complete = false;
      dump.notes.push_back(
          fmt::format("{} sockets changed faster than they could be listed", question.name));
    }
  }
  std::move(best.begin(), best.end(), std::back_inserter(dump.sockets));
  return {};
}

// Names of unix peers: a client's own socket has no name, its server's has.
void join_unix_peers(std::vector<SocketFact>& sockets) {
  std::unordered_map<uint64_t, std::string> names;
  for (const auto& fact : sockets) {
    if (fact.kind == Kind::kUnix && !fact.name.empty()) names.emplace(fact.inode, fact.name);
  }
  for (auto& fact : sockets) {
    if (fact.kind != Kind::kUnix || fact.peer_inode == 0) continue;
    const auto found = names.find(fact.peer_inode);
    if (found != names.end()) fact.peer_name = found->second;
  }
}

}  // namespace

Result<SockDiag> SockDiag::open(const ProcessId& process) {
  const auto theirs = namespace_of(process);
  if (!theirs) return theirs.error();
  const auto number = inode_of(theirs->get());
  if (!number) return number.error();
  const auto ours = Fd::open("/proc/thread-self/ns/net", O_RDONLY);
  if (ours && inode_of(ours->get()).value_or(0) == *number) return open_own();
  auto socket = netlink_socket_in(theirs->get());
  if (!socket) return socket.error();
  return SockDiag(*std::move(socket), *number);
}

Result<SockDiag> SockDiag::open_own() {
  const auto ours = Fd::open("/proc/thread-self/ns/net", O_RDONLY);
  if (!ours) return ours.error();
  const auto number = inode_of(ours->get());
  if (!number) return number.error();
  auto socket = netlink_socket();
  if (!socket) return socket.error();
  return SockDiag(*std::move(socket), *number);
}

Result<SocketDump> SockDiag::dump() const {
  SocketDump dump;
  const std::array questions = {inet_question(AF_INET, IPPROTO_TCP, Kind::kTcp),
                                inet_question(AF_INET6, IPPROTO_TCP, Kind::kTcp),
                                inet_question(AF_INET, IPPROTO_UDP, Kind::kUdp),
                                inet_question(AF_INET6, IPPROTO_UDP, Kind::kUdp), unix_question()};
  for (const auto& question : questions) {
    const auto asked = put_answers(x_socket.get(), question, dump);
    if (!asked) return asked.error();
  }
  join_unix_peers(dump.sockets);
  std::sort(dump.sockets.begin(), dump.sockets.end(),
            [](const SocketFact& a, const SocketFact& b) { return a.inode < b.inode; });
  // One socket may be in two of the kernel's lists while it moves between them.
  const auto same = [](const SocketFact& a, const SocketFact& b) { return a.inode == b.inode; };
  dump.sockets.erase(std::unique(dump.sockets.begin(), dump.sockets.end(), same),
                     dump.sockets.end());
  return dump;
}

}  // namespace unclosed
