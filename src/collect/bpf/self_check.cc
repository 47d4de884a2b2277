#include "collect/bpf/self_check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "base/fd.h"
#include "model/connection.h"

namespace unclosed {
namespace {

Error missing(std::string_view fact) {
  return {ErrorKind::kSystem, fmt::format("the self-test did not see {}", fact), "UC-E007"};
}

// A listener on loopback, a client that connected to it and sent, and the accepted end that
// received; and another client, whose connection was reset.
struct Conversation {
  Fd listener, client, server, left;
  bool reset_arrived = false;
};

Result<Conversation> converse() {
  Conversation pair;
  pair.listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!pair.listener.valid() || ::bind(pair.listener.get(), generic, size) != 0 ||
      ::listen(pair.listener.get(), 1) != 0 ||
      ::getsockname(pair.listener.get(), generic, &size) != 0) {
    return system_error(errno, "self-test: listening on loopback");
  }
  pair.client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!pair.client.valid() || ::connect(pair.client.get(), generic, size) != 0) {
    return system_error(errno, "self-test: connecting over loopback");
  }
  pair.server = Fd(::accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  char byte = 1;
  if (!pair.server.valid() || ::send(pair.client.get(), &byte, 1, MSG_NOSIGNAL) != 1 ||
      ::recv(pair.server.get(), &byte, 1, 0) != 1) {
    return system_error(errno, "self-test: sending over loopback");
  }
  pair.left = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!pair.left.valid() || ::connect(pair.left.get(), generic, size) != 0) {
    return system_error(errno, "self-test: connecting over loopback");
  }
  Fd leaving(::accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const linger at_once{1, 0};
  if (!leaving.valid() ||
      ::setsockopt(leaving.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0) {
    return system_error(errno, "self-test: resetting a connection over loopback");
  }
  leaving.reset();
  // Some kernels leave it to a thread of theirs; the hook comes just behind the wake-up.
  pollfd wait{pair.left.get(), 0, 0};
  pair.reset_arrived = ::poll(&wait, 1, 500) == 1;
  ::usleep(1000);
  return pair;
}

Status check_open(const std::unordered_map<int, uc_record>& seen, int fd, uint8_t kind,
                  std::string_view what) {
  const auto found = seen.find(fd);
  if (found == seen.end() || (found->second.flags & (UC_BEFORE_ATTACH | UC_UNTRACED)) != 0) {
    return missing(fmt::format("the opening of {}", what));
  }
  if (found->second.kind != kind) return missing(fmt::format("what {} is", what));
  if (found->second.opened.stack == 0)
    return missing(fmt::format("a stack of the opening of {}", what));
  return {};
}

struct Opened {
  int fd;
  uint8_t kind;
  const char* what;
};

// `before_scan`: later, the scan itself would have told of the reset.
Status check_conversation(const std::unordered_map<int, uc_record>& seen, const Conversation& pair,
                          Instant before_scan) {
  const uc_record& client = seen.at(pair.client.get());
  const uc_record& server = seen.at(pair.server.get());
  if (server.role != UC_ROLE_SERVER) return missing("that a socket was accepted");
  if (client.role != UC_ROLE_CLIENT || client.peer_port == 0) return missing("a connect");
  if (client.connect_finished == 0) return missing("the end of a connect");
  const uc_record& left = seen.at(pair.left.get());
  const auto ended = Instant{static_cast<int64_t>(left.state_since)};
  if (pair.reset_arrived &&
      (static_cast<TcpState>(left.state) != TcpState::kClose || ended > before_scan)) {
    return missing("the reset of a connection");
  }
  if (client.request_count != 1 || client.requests[0].stack == 0)
    return missing("a send with its stack");
  if (server.bytes_received != 1) return missing("a receive");
  return {};
}

Status exercise(KernelSide& kernel, uint32_t self) {
  std::unordered_map<int, uc_record> seen;
  std::vector<int> numbers;
  {
    auto pair = converse();
    if (!pair) return pair.error();
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return system_error(errno, "self-test: pipe2");
    const Fd reader(ends[0]), writer(ends[1]);
    const Fd event(::eventfd(0, EFD_CLOEXEC)), poll(::epoll_create1(EPOLL_CLOEXEC));
    const auto file = Fd::open("/proc/self/stat", O_RDONLY);
    if (!file) return file.error();
    const Fd copy(::dup(event.get()));
    const Instant before_scan = monotonic_now();
    const auto scanned =
        kernel.scan(self, false, [&](const uc_row& row, const uc_record& record, const uc_handed*) {
          seen[static_cast<int>(row.fd)] = record;
        });
    if (!scanned) return scanned.error();
    const Opened all[] = {{pair->listener.get(), UC_TCP, "a socket"},
                          {pair->server.get(), UC_TCP, "an accepted socket"},
                          {reader.get(), UC_PIPE, "a pipe"},
                          {writer.get(), UC_PIPE, "a pipe"},
                          {event.get(), UC_EVENTFD, "an eventfd"},
                          {poll.get(), UC_EPOLL, "an epoll"},
                          {file->get(), UC_FILE, "a file"}};
    for (const Opened& opened : all) {
      if (auto checked = check_open(seen, opened.fd, opened.kind, opened.what); !checked)
        return checked;
      numbers.push_back(opened.fd);
    }
    if (auto checked = check_conversation(seen, *pair, before_scan); !checked) return checked;
    const auto duplicate = seen.find(copy.get());
    if (duplicate == seen.end() || duplicate->second.duplicated.at == 0) return missing("a dup");
  }
  std::unordered_set<uint64_t> closed;
  kernel.drain([&](std::span<const std::byte> bytes) {
    uc_event_closed event;
    if (bytes.size() < sizeof event) return;
    std::memcpy(&event, bytes.data(), sizeof event);
    if (event.type == UC_EVENT_CLOSED) closed.insert(event.record.file);
  });
  for (const int number : numbers) {
    if (!closed.contains(seen.at(number).file))
      return missing(fmt::format("the close of descriptor {}", number));
  }
  return {};
}

}  // namespace

Status self_check(KernelSide& kernel) {
  const auto self = static_cast<uint32_t>(::getpid());
  uc_target target{};
  target.flags = UC_TARGET_UNMAPPED;  // stacks come as copies: no tables of our own code are needed
  if (auto put = kernel.put_target(self, target); !put) return put;
  Status proven = exercise(kernel, self);
  kernel.remove_target(self);
  std::vector<std::pair<uint64_t, uint64_t>> left;
  kernel.each_record([&](const uc_record& record, const uc_handed*) {
    left.emplace_back(record.file, record.generation);
  });
  for (const auto& [file, generation] : left) kernel.reap(file, generation, Instant{INT64_MAX});
  kernel.drain([](std::span<const std::byte>) {});
  kernel.zero_counters();
  return proven;
}

}  // namespace unclosed
