// The least that a listing without privileges must do: one readlink for each descriptor of the processes, over two
// threads, and one dump of the kernel's TCP sockets. Nothing is kept or printed but the counts.
// usage: listing_floor PID…
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

size_t read_links(const char* pid) {
  const std::string place = std::string("/proc/") + pid + "/fd";
  const int directory = ::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = directory < 0 ? nullptr : ::fdopendir(directory);
  if (entries == nullptr) return 0;
  size_t count = 0;
  char link[64];
  while (const dirent* entry = ::readdir(entries)) {
    count += ::readlinkat(directory, entry->d_name, link, sizeof link) > 0;
  }
  ::closedir(entries);
  return count;
}

size_t dump_sockets() {
  const int netlink = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  struct {
    nlmsghdr header;
    inet_diag_req_v2 question;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.question.sdiag_family = AF_INET;
  request.question.sdiag_protocol = IPPROTO_TCP;
  request.question.idiag_states = UINT32_MAX;
  if (::send(netlink, &request, sizeof request, 0) < 0) return 0;
  std::vector<char> buffer(256 << 10);
  size_t count = 0;
  for (;;) {
    ssize_t left = ::recv(netlink, buffer.data(), buffer.size(), 0);
    if (left <= 0) return count;
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, static_cast<size_t>(left));
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
        ::close(netlink);
        return count;
      }
      ++count;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::atomic<int> next = 1;
  std::atomic<size_t> links = 0;
  const auto work = [&] {
    for (int mine = next++; mine < argc; mine = next++) links += read_links(argv[mine]);
  };
  std::thread second(work);
  work();
  second.join();
  std::printf("%zu links, %zu sockets\n", links.load(), dump_sockets());
}
