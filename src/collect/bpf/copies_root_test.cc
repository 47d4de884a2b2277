// Further numbers of a file, on the real kernel: who made each, by dup or by receiving it.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <span>

#include "collect/bpf/collector_fixture.h"

namespace unclosed {
namespace {

class CopiesTest : public BpfCollectorTest {};

msghdr message_of(iovec& part, std::span<char> control) {
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  return message;
}

void send_over(int socket, int fd) {
  char byte = 'x';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  const msghdr message = message_of(part, control);
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  *head = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  (void)::sendmsg(socket, &message, 0);
}

int receive_over(int socket) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = message_of(part, control);
  if (::recvmsg(socket, &message, 0) <= 0) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

TEST_F(CopiesTest, each_further_number_is_known_by_who_made_it) {
  static int first;
  Child child({[] {
                 first = ::eventfd(0, 0);
                 ::dup2(first, 1100);
                 ::fcntl(first, F_DUPFD, 1200);
                 ::dup2(first, 1300);
                 ::close(1300);
               },
               [] { ::close(first); }});
  attach(child);
  child.step();
  scan();
  const Seen* seen = book.at(child.pid(), 1100);
  ASSERT_NE(seen, nullptr);
  ASSERT_EQ(seen->copies.size(), 2U);
  EXPECT_NE(seen->copies[0].made.stack, seen->copies[1].made.stack);
  EXPECT_FALSE(seen->facts.copied_from);
  child.step();
  scan();
  seen = book.at(child.pid(), 1100);
  ASSERT_NE(seen, nullptr);
  ASSERT_TRUE(seen->facts.copied_from);
  EXPECT_LT(seen->facts.copied_from->at, seen->facts.opened.at);
}

TEST_F(CopiesTest, what_is_received_is_the_receivers_once_the_sender_has_closed_it) {
  Child child({[] {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) _exit(1);
    const int fd = ::eventfd(0, 0);
    send_over(ends[0], fd);
    receive_over(ends[1]);
    ::close(fd);
  }});
  attach(child);
  child.step();
  scan();
  size_t received = 0;
  for (const auto& [id, seen] : book.open) {
    if (seen.copies.empty()) continue;
    ++received;
    EXPECT_EQ(seen.copies[0].how, CopyHow::kReceived);
    EXPECT_EQ(seen.facts.kind, Kind::kEventfd);
    ASSERT_TRUE(seen.facts.copied_from);
    EXPECT_EQ(seen.facts.opened.at, seen.copies[0].made.at);
  }
  EXPECT_EQ(received, 1U);
}

}  // namespace
}  // namespace unclosed
