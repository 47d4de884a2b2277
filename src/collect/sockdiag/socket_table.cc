#include "collect/sockdiag/socket_table.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "collect/sockdiag/netlink.h"
#include "collect/sockdiag/sockdiag.h"

namespace unclosed {
namespace {

constexpr int kMostTries = 4;

Bytes bytes_of(const void* start, size_t size) {
  return {static_cast<const std::byte*>(start), size};
}

uint32_t narrow(uint64_t value) {
  return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max()));
}

int32_t known_ms(uint32_t value) {
  return static_cast<int32_t>(std::min<uint32_t>(value, std::numeric_limits<int32_t>::max()));
}

void put_end(Endpoint& end, uint8_t family, uint16_t port, const __be32* address) {
  if (port == 0) return;
  end.family = family;
  end.port = ntohs(port);
  std::memcpy(end.address.data(), address, family == AF_INET ? 4 : 16);
}

void put_times(Bytes attributes, BriefSocket& socket) {
  each_attribute(attributes, [&](uint16_t type, Bytes value) {
    if (type != INET_DIAG_INFO) return;
    struct tcp_info info {};
    if (value.size() < offsetof(struct tcp_info, tcpi_last_ack_recv)) return;
    std::memcpy(&info, value.data(), std::min(value.size(), sizeof info));
    const uint32_t sent = info.tcpi_last_data_sent, received = info.tcpi_last_data_recv;
    socket.idle_ms = known_ms(std::min(sent, received));
    socket.older_ms = known_ms(std::max(sent, received));
  });
}

void add_inet(Bytes payload, Kind kind, SocketTable& table) {
  const auto message = load<inet_diag_msg>(payload, 0);
  if (!message || message->idiag_inode == 0) return;
  BriefSocket socket;
  socket.inode = message->idiag_inode;
  socket.kind = kind;
  put_end(socket.local, message->idiag_family, message->id.idiag_sport, message->id.idiag_src);
  put_end(socket.peer, message->idiag_family, message->id.idiag_dport, message->id.idiag_dst);
  socket.recv_queue = message->idiag_rqueue;
  socket.send_queue = message->idiag_wqueue;
  if (kind == Kind::kTcp) {
    socket.state = static_cast<TcpState>(message->idiag_state);
    const auto queues = without_control(socket.state, {socket.recv_queue, socket.send_queue});
    socket.recv_queue = narrow(queues.unread);
    socket.send_queue = narrow(queues.unacknowledged);
    if (socket.state == TcpState::kListen) {
      socket.send_queue = 0;  // there it is the length of the backlog
    } else if (const auto rest = tail(payload, NLMSG_ALIGN(sizeof(inet_diag_msg)))) {
      put_times(*rest, socket);
    }
  }
  table.add(socket);
}

void add_unix(Bytes payload, SocketTable& table) {
  const auto message = load<unix_diag_msg>(payload, 0);
  const auto rest = tail(payload, NLMSG_ALIGN(sizeof(unix_diag_msg)));
  if (!message || !rest || message->udiag_ino == 0) return;
  BriefSocket socket;
  socket.inode = message->udiag_ino;
  socket.kind = Kind::kUnix;
  if (message->udiag_type == SOCK_STREAM) {
    socket.state = static_cast<TcpState>(message->udiag_state);
  }
  each_attribute(*rest, [&](uint16_t type, Bytes value) {
    if (type == UNIX_DIAG_NAME && !value.empty()) {
      std::string name(reinterpret_cast<const char*>(value.data()), value.size());
      if (name.front() == '\0') {
        name.front() = '@';
      } else {
        name.resize(std::min(name.find('\0'), name.size()));
      }
      table.add_name(socket.inode, std::move(name));
    }
    if (type == UNIX_DIAG_PEER) socket.peer_inode = load<uint32_t>(value, 0).value_or(0);
    const auto queue = type == UNIX_DIAG_RQLEN ? load<unix_diag_rqlen>(value, 0)
                                               : std::optional<unix_diag_rqlen>();
    if (!queue) return;
    socket.recv_queue = queue->udiag_rqueue;
    if (socket.state != TcpState::kListen) socket.send_queue = queue->udiag_wqueue;
  });
  table.add(socket);
}

// Repeats a dump that changes of the lists have interrupted, and keeps the last.
Status put_answers(int netlink, std::string_view name, Bytes request, SocketTable& table,
                   const std::function<void(Bytes)>& add) {
  const size_t before = table.size();
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    table.cut(before);
    const auto answer = ask_netlink(netlink, request, add);
    if (!answer) {
      table.cut(before);
      if (answer.error().kind == ErrorKind::kDenied) return answer.error();
      table.note(fmt::format("{} sockets were not seen: {}", name, answer.error().context));
      return {};
    }
    if (*answer == NetlinkAnswer::kDone) return {};
  }
  table.note(fmt::format("{} sockets changed faster than they could be listed", name));
  return {};
}

const std::string kNoName;

}  // namespace

void SocketTable::index() {
  x_places.assign(std::bit_ceil(x_sockets.size() * 2 + 1), 0);
  const size_t mask = x_places.size() - 1;
  for (size_t i = 0; i < x_sockets.size(); ++i) {
    size_t at = x_sockets[i].inode & mask;  // inodes are numbered in a row: no hash is better
    while (x_places[at] != 0) at = (at + 1) & mask;
    x_places[at] = static_cast<uint32_t>(i + 1);
  }
}

const BriefSocket* SocketTable::find(uint64_t inode) const {
  if (x_places.empty()) return nullptr;
  const size_t mask = x_places.size() - 1;
  for (size_t at = inode & mask; x_places[at] != 0; at = (at + 1) & mask) {
    const BriefSocket& socket = x_sockets[x_places[at] - 1];
    if (socket.inode == inode) return &socket;
  }
  return nullptr;
}

const std::string& SocketTable::name_of(const BriefSocket& socket) const {
  for (const uint64_t inode : {socket.peer_inode, socket.inode}) {
    const auto found = x_names.find(inode);
    if (inode != 0 && found != x_names.end()) return found->second;
  }
  return kNoName;
}

Result<SocketTable> SockDiag::table() const {
  SocketTable table;
  struct Question {
    uint8_t family, protocol;
    Kind kind;
    std::string_view name;
  };
  constexpr Question kQuestions[] = {{AF_INET, IPPROTO_TCP, Kind::kTcp, "tcp"},
                                     {AF_INET6, IPPROTO_TCP, Kind::kTcp, "tcp over IPv6"},
                                     {AF_INET, IPPROTO_UDP, Kind::kUdp, "udp"},
                                     {AF_INET6, IPPROTO_UDP, Kind::kUdp, "udp over IPv6"}};
  for (const Question& one : kQuestions) {
    const bool tcp = one.kind == Kind::kTcp;
    const auto request =
        inet_request(one.family, one.protocol, tcp ? 1 << (INET_DIAG_INFO - 1) : 0);
    const auto asked =
        put_answers(x_socket.get(), one.name, bytes_of(&request, sizeof request), table,
                    [&](Bytes payload) { add_inet(payload, one.kind, table); });
    if (!asked) return asked.error();
  }
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = UINT32_MAX;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN;
  const auto asked = put_answers(x_socket.get(), "unix", bytes_of(&request, sizeof request), table,
                                 [&](Bytes payload) { add_unix(payload, table); });
  if (!asked) return asked.error();
  table.index();
  return table;
}

}  // namespace unclosed
