#include "collect/sockdiag/socket_table.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "collect/sockdiag/sockdiag.h"

namespace unclosed {
namespace {

uint64_t inode(const Fd& socket) {
  struct stat status {};
  EXPECT_EQ(::fstat(socket.get(), &status), 0);
  return status.st_ino;
}

// A client that has sent five bytes to its server and then ended; and its listener.
struct Talk {
  Fd listener, client, server;
};

Talk talk(int family) {
  Talk pair;
  sockaddr_storage address{};
  socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (family == AF_INET) {
    const sockaddr_in loopback{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    std::memcpy(&address, &loopback, sizeof loopback);
  } else {
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = in6addr_loopback;
    std::memcpy(&address, &loopback, sizeof loopback);
  }
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  pair.listener = Fd(::socket(family, SOCK_STREAM, 0));
  EXPECT_EQ(::bind(pair.listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(pair.listener.get(), 5), 0);
  ::getsockname(pair.listener.get(), generic, &size);
  pair.client = Fd(::socket(family, SOCK_STREAM, 0));
  EXPECT_EQ(::connect(pair.client.get(), generic, size), 0);
  pair.server = Fd(::accept(pair.listener.get(), nullptr, nullptr));
  EXPECT_EQ(::send(pair.client.get(), "hello", 5, 0), 5);
  EXPECT_EQ(::shutdown(pair.client.get(), SHUT_WR), 0);
  return pair;
}

void expect_talk(const SocketTable& table, const Talk& pair) {
  const auto *server = table.find(inode(pair.server)), *client = table.find(inode(pair.client)),
             *listener = table.find(inode(pair.listener));
  ASSERT_NE(server, nullptr);
  ASSERT_NE(client, nullptr);
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(server->kind, Kind::kTcp);
  EXPECT_EQ(server->state, TcpState::kCloseWait);
  EXPECT_EQ(server->recv_queue, 5U);  // the FIN is no byte
  EXPECT_TRUE(client->state == TcpState::kFinWait1 || client->state == TcpState::kFinWait2);
  EXPECT_EQ(server->peer, client->local);
  EXPECT_EQ(client->peer, server->local);
  EXPECT_EQ(listener->state, TcpState::kListen);
  EXPECT_EQ(listener->send_queue, 0U);
  EXPECT_FALSE(listener->peer.known());
}

TEST(SocketTable, tells_states_queues_and_ends) {
  const Talk four = talk(AF_INET), six = talk(AF_INET6);
  const auto diag = SockDiag::open_own();
  ASSERT_TRUE(diag);
  const auto table = diag->table();
  ASSERT_TRUE(table) << table.error().context;
  expect_talk(*table, four);
  expect_talk(*table, six);
  EXPECT_GE(table->find(inode(four.server))->idle_ms, 0);
  EXPECT_LE(table->find(inode(four.server))->idle_ms, 5000);
}

TEST(SocketTable, the_text_lists_of_proc_tell_the_same) {
  const Talk four = talk(AF_INET), six = talk(AF_INET6);
  const auto table = socket_table_of_proc(::getpid());
  ASSERT_TRUE(table) << table.error().context;
  expect_talk(*table, four);
  expect_talk(*table, six);
  EXPECT_EQ(table->find(inode(four.server))->idle_ms, -1);
}

TEST(SocketTable, a_unix_client_has_the_name_of_its_server) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "unclosed-table-" + std::to_string(::getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM, 0)), client(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  // Until it is accepted, a connection has no socket at the other end.
  const Fd server(::accept(listener.get(), nullptr, nullptr));
  const auto diag = SockDiag::open_own();
  ASSERT_TRUE(diag);
  const auto table = diag->table();
  ASSERT_TRUE(table);
  const auto* found = table->find(inode(client));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(table->name_of(*found), "@" + name);
  const auto lists = socket_table_of_proc(::getpid());
  ASSERT_TRUE(lists);
  EXPECT_EQ(lists->name_of(*lists->find(inode(listener))), "@" + name);
}

TEST(SocketTable, what_nobody_lists_is_not_found) {
  const Fd unused(::socket(AF_INET, SOCK_STREAM, 0));
  const auto diag = SockDiag::open_own();
  ASSERT_TRUE(diag);
  const auto table = diag->table();
  ASSERT_TRUE(table);
  EXPECT_EQ(table->find(inode(unused)), nullptr);
  EXPECT_EQ(SocketTable().find(1), nullptr);
}

}  // namespace
}  // namespace unclosed
