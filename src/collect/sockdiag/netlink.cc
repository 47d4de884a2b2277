#include "collect/sockdiag/netlink.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

namespace unclosed {
namespace {

constexpr size_t kBuffer = 256 << 10;  // the kernel fills at most 32 KiB at a time
constexpr timeval kMostWait = {5, 0};

Error netlink_error(int errno_value) {
  return system_error(errno_value, "asking the kernel for its sockets");
}

constexpr uint32_t bit(TcpState state) { return 1U << static_cast<uint32_t>(state); }
constexpr uint32_t kStates = 0xfff & ~(bit(TcpState::kSynRecv) | bit(TcpState::kTimeWait));

bool is_one_of(TcpState state, std::initializer_list<TcpState> states) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

}  // namespace

Result<Fd> netlink_socket() {
  Fd socket(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!socket.valid()) return netlink_error(errno);
  const int room = 4 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kMostWait, sizeof kMostWait);
  return socket;
}

void each_attribute(Bytes attributes, const std::function<void(uint16_t, Bytes)>& take) {
  uint64_t at = 0;
  while (const auto header = load<nlattr>(attributes, at)) {
    if (header->nla_len < sizeof(nlattr)) return;
    const auto value = slice(attributes, at + sizeof(nlattr), header->nla_len - sizeof(nlattr));
    if (!value) return;
    take(header->nla_type & NLA_TYPE_MASK, *value);
    at += NLA_ALIGN(header->nla_len);
  }
}

Result<NetlinkAnswer> ask_netlink(int socket, Bytes request,
                                  const std::function<void(Bytes)>& take) {
  static std::atomic<uint32_t> last_sequence{0};
  const uint32_t sequence = ++last_sequence;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + request.size());
  header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header.nlmsg_seq = sequence;
  std::vector<std::byte> message(header.nlmsg_len);
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + sizeof header, request.data(), request.size());
  if (retry_eintr([&] { return ::send(socket, message.data(), message.size(), 0); }) < 0) {
    return netlink_error(errno);
  }
  std::vector<std::byte> buffer(kBuffer);
  bool interrupted = false;
  for (;;) {
    const auto got =
        retry_eintr([&] { return ::recv(socket, buffer.data(), buffer.size(), MSG_TRUNC); });
    if (got < 0) return netlink_error(errno == EAGAIN ? ETIMEDOUT : errno);
    if (static_cast<size_t>(got) > buffer.size()) interrupted = true;  // the rest was dropped
    const auto received = Bytes(buffer).first(std::min<size_t>(got, buffer.size()));
    uint64_t at = 0;
    while (const auto one = load<nlmsghdr>(received, at)) {
      if (one->nlmsg_len < sizeof(nlmsghdr)) return netlink_error(EBADMSG);
      const auto payload = slice(received, at + NLMSG_HDRLEN, one->nlmsg_len - NLMSG_HDRLEN);
      if (!payload) break;
      at += NLMSG_ALIGN(one->nlmsg_len);
      if (one->nlmsg_seq != sequence) continue;  // of an earlier dump that we gave up
      if ((one->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (one->nlmsg_type == NLMSG_DONE || one->nlmsg_type == NLMSG_ERROR) {
        const int failure = load<int>(*payload, 0).value_or(0);
        if (failure < 0) return netlink_error(-failure);
        return interrupted ? NetlinkAnswer::kInterrupted : NetlinkAnswer::kDone;
      }
      if (one->nlmsg_type == SOCK_DIAG_BY_FAMILY) take(*payload);
    }
  }
}

inet_diag_req_v2 inet_request(uint8_t family, uint8_t protocol, uint8_t extensions) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = protocol == IPPROTO_TCP ? kStates : UINT32_MAX;
  request.idiag_ext = extensions;
  return request;
}

bool peer_has_ended(TcpState state) {
  return is_one_of(state, {TcpState::kCloseWait, TcpState::kLastAck, TcpState::kClosing});
}

TcpQueues without_control(TcpState state, TcpQueues counted) {
  if (peer_has_ended(state) && counted.unread > 0) --counted.unread;
  const bool unacknowledged = is_one_of(
      state, {TcpState::kSynSent, TcpState::kFinWait1, TcpState::kLastAck, TcpState::kClosing});
  if (unacknowledged && counted.unacknowledged > 0) --counted.unacknowledged;
  return counted;
}

}  // namespace unclosed
