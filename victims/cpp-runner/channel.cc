#include "channel.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace {

int checked(int fd) {
  if (fd < 0) throw std::system_error(errno, std::generic_category());
  return fd;
}

void watch(int epoll, int fd) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  checked(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

}  // namespace

Channel Channel::open() {
  Channel channel;
  int ends[2];
  checked(pipe2(ends, O_CLOEXEC));
  channel.read_ = ends[0];
  channel.write_ = ends[1];
  channel.cancelled_ = checked(eventfd(0, EFD_CLOEXEC));
  channel.epoll_ = checked(epoll_create1(EPOLL_CLOEXEC));
  watch(channel.epoll_, channel.read_);
  watch(channel.epoll_, channel.cancelled_);
  return channel;
}

bool Channel::wait(std::string& output) {
  epoll_event event = {};
  while (epoll_wait(epoll_, &event, 1, 1000) < 0 && errno == EINTR) {
  }
  if (event.data.fd == cancelled_) return false;
  char buffer[512];
  const ssize_t count = read(read_, buffer, sizeof buffer);
  if (count > 0) output.assign(buffer, static_cast<size_t>(count));
  return true;
}

void Channel::cancel() {
  const uint64_t one = 1;
  checked(static_cast<int>(write(cancelled_, &one, sizeof one)));
}

void Channel::close() {
  for (const int fd : {epoll_, cancelled_, read_, write_}) ::close(fd);
}
