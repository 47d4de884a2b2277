#include "collect/sockdiag/sockdiag.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace unclosed {
namespace {

using testing::EndsWith;
using testing::StartsWith;

Fd made(int family, int type = SOCK_STREAM) { return Fd(::socket(family, type | SOCK_CLOEXEC, 0)); }

uint64_t inode(const Fd& socket) {
  struct stat status {};
  EXPECT_EQ(::fstat(socket.get(), &status), 0);
  return status.st_ino;
}

std::optional<SocketFact> fact_of(const Fd& socket) {
  const auto diag = SockDiag::open_own();
  EXPECT_TRUE(diag) << diag.error().context;
  const auto dump = diag->dump();
  EXPECT_TRUE(dump) << dump.error().context;
  const auto wanted = inode(socket);
  for (const auto& fact : dump->sockets) {
    if (fact.inode == wanted) return fact;
  }
  return {};
}

struct Pair {
  Fd listener, client, server;
};

// A connected pair over loopback.
Pair connected(int family) {
  Pair pair{made(family), made(family), Fd()};
  sockaddr_storage address{};
  socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  address.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr = in6addr_loopback;
  }
  auto* any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(pair.listener.get(), any, size), 0);
  EXPECT_EQ(::listen(pair.listener.get(), 7), 0);
  EXPECT_EQ(::getsockname(pair.listener.get(), any, &size), 0);
  EXPECT_EQ(::connect(pair.client.get(), any, size), 0);
  pair.server = Fd(::accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(pair.server.valid());
  return pair;
}

void send_bytes(const Fd& socket, size_t count) {
  const std::string bytes(count, 'x');
  ASSERT_EQ(::send(socket.get(), bytes.data(), count, 0), static_cast<ssize_t>(count));
}

TEST(SockDiag, both_ends_of_a_connection_name_each_other) {
  const auto pair = connected(AF_INET);
  const auto client = fact_of(pair.client), server = fact_of(pair.server);
  ASSERT_TRUE(client && server);
  EXPECT_EQ(client->kind, Kind::kTcp);
  EXPECT_EQ(client->state, TcpState::kEstablished);
  EXPECT_EQ(client->local, server->peer);
  EXPECT_EQ(client->peer, server->local);
  EXPECT_THAT(client->local.to_string(), StartsWith("127.0.0.1:"));
  EXPECT_NE(client->cookie, server->cookie);
  EXPECT_EQ(client->uid, ::geteuid());
  EXPECT_FALSE(client->keepalive);
  EXPECT_FALSE(client->read_to_end);
}

TEST(SockDiag, unread_bytes_and_the_time_of_the_last_data_are_told) {
  const auto pair = connected(AF_INET);
  send_bytes(pair.server, 9861);
  ::usleep(60'000);
  const auto client = fact_of(pair.client), server = fact_of(pair.server);
  ASSERT_TRUE(client && server);
  EXPECT_EQ(client->recv_queue, 9861U);
  EXPECT_EQ(client->bytes_received, 9861U);
  EXPECT_EQ(server->bytes_sent, 9861U);
  EXPECT_EQ(server->send_queue, 0U);
  ASSERT_TRUE(client->since_received);
  EXPECT_GE(seconds(*client->since_received), 0.03);
  EXPECT_LT(seconds(*client->since_received), 30);
}

TEST(SockDiag, ipv6_is_seen_with_its_addresses) {
  const Fd probe = made(AF_INET6);
  if (!probe.valid()) GTEST_SKIP() << "this machine has no IPv6";
  const auto pair = connected(AF_INET6);
  const auto client = fact_of(pair.client);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->local.family, AF_INET6);
  EXPECT_THAT(client->peer.to_string(), StartsWith("[::1]:"));
}

TEST(SockDiag, close_wait_counts_bytes_without_the_fin_and_knows_whether_the_end_was_read) {
  auto pair = connected(AF_INET);
  send_bytes(pair.server, 5);
  pair.server.reset();
  ::usleep(20'000);
  auto client = fact_of(pair.client);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->state, TcpState::kCloseWait);
  EXPECT_EQ(client->recv_queue, 5U);
  EXPECT_EQ(client->read_to_end, false);
  char bytes[8];
  EXPECT_EQ(::recv(pair.client.get(), bytes, 5, 0), 5);
  client = fact_of(pair.client);
  EXPECT_EQ(client->recv_queue, 0U);
  EXPECT_EQ(::recv(pair.client.get(), bytes, sizeof bytes, 0), 0);
  client = fact_of(pair.client);
  EXPECT_EQ(client->recv_queue, 0U);
  EXPECT_EQ(client->read_to_end, true);
}

TEST(SockDiag, a_socket_that_was_reset_is_in_no_dump) {
  auto pair = connected(AF_INET);
  const linger now{1, 0};
  ::setsockopt(pair.server.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  pair.server.reset();
  ::usleep(20'000);
  EXPECT_FALSE(fact_of(pair.client));
}

TEST(SockDiag, a_listener_shows_who_waits_to_be_accepted) {
  const auto pair = connected(AF_INET);
  const Fd waiting = made(AF_INET);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(pair.listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  ASSERT_EQ(::connect(waiting.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ::usleep(20'000);
  const auto listener = fact_of(pair.listener);
  ASSERT_TRUE(listener);
  EXPECT_TRUE(listener->listening);
  EXPECT_EQ(listener->local.port, ntohs(address.sin_port));
  EXPECT_FALSE(listener->peer.known());
  EXPECT_EQ(listener->recv_queue, 1U);
  EXPECT_EQ(listener->send_queue, 0U);
  EXPECT_FALSE(listener->since_sent);
}

TEST(SockDiag, udp_has_addresses_and_a_queue) {
  const Fd receiver = made(AF_INET, SOCK_DGRAM);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(receiver.get(), any, size), 0);
  ::getsockname(receiver.get(), any, &size);
  const Fd sender = made(AF_INET, SOCK_DGRAM);
  ASSERT_EQ(::connect(sender.get(), any, size), 0);
  send_bytes(sender, 100);
  const auto fact = fact_of(receiver);
  ASSERT_TRUE(fact);
  EXPECT_EQ(fact->kind, Kind::kUdp);
  EXPECT_GE(fact->recv_queue, 100U);
  EXPECT_EQ(fact_of(sender)->peer.port, ntohs(address.sin_port));
}

TEST(SockDiag, unix_pairs_know_each_other_and_their_queues) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const Fd one(fds[0]), other(fds[1]);
  send_bytes(other, 12);
  const auto fact = fact_of(one);
  ASSERT_TRUE(fact);
  EXPECT_EQ(fact->kind, Kind::kUnix);
  EXPECT_EQ(fact->peer_inode, inode(other));
  EXPECT_EQ(fact->recv_queue, 12U);
  EXPECT_EQ(fact->name, "");
}

TEST(SockDiag, a_unix_client_is_told_the_path_of_its_server) {
  const auto path = testing::TempDir() + "unclosed_sockdiag_test.sock";
  for (const bool abstract : {false, true}) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + (abstract ? 1 : 0), path.data(), path.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    std::filesystem::remove(path);
    const Fd listener = made(AF_UNIX), client = made(AF_UNIX);
    const auto* any = reinterpret_cast<const sockaddr*>(&address);
    ASSERT_EQ(::bind(listener.get(), any, size), 0);
    ASSERT_EQ(::listen(listener.get(), 4), 0);
    ASSERT_EQ(::connect(client.get(), any, size), 0);
    const Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto fact = fact_of(client);
    ASSERT_TRUE(fact);
    EXPECT_EQ(fact->peer_name, abstract ? "@" + path : path);
    EXPECT_TRUE(fact_of(listener)->listening);
    EXPECT_EQ(fact_of(server)->name, fact->peer_name);
  }
  std::filesystem::remove(path);
}

TEST(SockDiag, a_process_that_is_gone_or_has_a_reused_pid_is_gone) {
  for (const ProcessId process : {ProcessId{::getpid(), 1}, ProcessId{1 << 22, 5}}) {
    const auto diag = SockDiag::open(process);
    ASSERT_FALSE(diag);
    EXPECT_EQ(diag.error().kind, ErrorKind::kGone);
  }
}

TEST(SockDiag, our_own_process_is_in_our_own_namespace) {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  size_t at = text.rfind(')');
  for (int field = 2; field < 22; ++field) at = text.find(' ', at + 1);
  const auto diag = SockDiag::open({::getpid(), std::stoull(text.substr(at + 1))});
  ASSERT_TRUE(diag) << diag.error().context;
  EXPECT_EQ(diag->network_namespace(), SockDiag::open_own()->network_namespace());
  EXPECT_TRUE(diag->dump()->complete);
}

TEST(LocalPorts, reserved_ones_are_not_handed_out) {
  const auto plain = port_range("32768\t60999\n", "\n");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->usable, 28232U);
  EXPECT_EQ(port_range("100 199", "50-109,150,190-65535,8080\n")->usable, 100U - 10 - 1 - 10);
  EXPECT_FALSE(port_range("", ""));
  EXPECT_FALSE(port_range("200 100", ""));
}

TEST(LocalPorts, each_connection_to_a_destination_holds_one) {
  const auto server = made(AF_INET);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* place = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(server.get(), place, size), 0);
  ASSERT_EQ(::listen(server.get(), 8), 0);
  ASSERT_EQ(::getsockname(server.get(), place, &size), 0);
  std::vector<Fd> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(made(AF_INET));
    ASSERT_EQ(::connect(clients.back().get(), place, size), 0);
  }
  const auto ports = SockDiag::open_own()->ports();
  ASSERT_TRUE(ports) << ports.error().context;
  const auto use = std::find_if(ports->uses.begin(), ports->uses.end(), [&](const PortUse& one) {
    return one.peer.port == ntohs(address.sin_port);
  });
  ASSERT_NE(use, ports->uses.end());
  EXPECT_EQ(use->used, 3U);
  EXPECT_EQ(use->local.port, 0);
}

}  // namespace
}  // namespace unclosed
