// The lists of sockets under /proc/PID/net, as text.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/fd.h"
#include "collect/sockdiag/netlink.h"
#include "collect/sockdiag/socket_table.h"

namespace unclosed {
namespace {

constexpr size_t kMostText = 1UL << 30;

std::string_view next_word(std::string_view& rest) {
  const size_t start = std::min(rest.find_first_not_of(' '), rest.size());
  const size_t end = std::min(rest.find(' ', start), rest.size());
  const auto word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

template <class T>
std::optional<T> parsed(std::string_view text, int base) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failure != std::errc() || text.empty() || end != text.data() + text.size()) return {};
  return value;
}

// "0100007F:1F90": words of the address as the machine holds them, and the port.
std::optional<Endpoint> parsed_end(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  const auto port = parsed<uint16_t>(text.substr(colon + 1), 16);
  if (!port) return std::nullopt;
  Endpoint end;
  if (*port == 0) return end;
  end.family = colon == 8 ? AF_INET : AF_INET6;
  end.port = *port;
  for (size_t at = 0; at < colon; at += 8) {
    const auto word = parsed<uint32_t>(text.substr(at, 8), 16);
    if (!word) return std::nullopt;
    std::memcpy(end.address.data() + at / 2, &*word, sizeof *word);
  }
  return end;
}

// sl local remote st tx:rx tr:when retrnsmt uid timeout inode …
std::optional<BriefSocket> inet_line(std::string_view line, Kind kind) {
  next_word(line);
  const auto local = parsed_end(next_word(line)), peer = parsed_end(next_word(line));
  const auto state = parsed<uint8_t>(next_word(line), 16);
  const auto queues = next_word(line);
  for (int skipped = 0; skipped < 4; ++skipped) next_word(line);
  const auto inode = parsed<uint64_t>(next_word(line), 10);
  const size_t colon = queues.find(':');
  if (!local || !peer || !state || !inode || *inode == 0 || colon == queues.npos) return {};
  const auto sent = parsed<uint32_t>(queues.substr(0, colon), 16);
  const auto received = parsed<uint32_t>(queues.substr(colon + 1), 16);
  if (!sent || !received) return {};
  BriefSocket socket;
  socket.inode = *inode;
  socket.kind = kind;
  socket.local = *local;
  socket.peer = *peer;
  socket.recv_queue = *received;
  socket.send_queue = *sent;
  if (kind != Kind::kTcp || *state > 12) return socket;
  socket.state = static_cast<TcpState>(*state);
  const auto bytes = without_control(socket.state, {*received, *sent});
  socket.recv_queue = static_cast<uint32_t>(bytes.unread);
  socket.send_queue = static_cast<uint32_t>(bytes.unacknowledged);
  return socket;
}

// Num RefCount Protocol Flags Type St Inode Path
std::optional<BriefSocket> unix_line(std::string_view line, std::string& name) {
  for (int skipped = 0; skipped < 4; ++skipped) next_word(line);
  const auto type = parsed<uint16_t>(next_word(line), 16);
  next_word(line);
  const auto inode = parsed<uint64_t>(next_word(line), 10);
  if (!type || !inode || *inode == 0) return {};
  BriefSocket socket;
  socket.inode = *inode;
  socket.kind = Kind::kUnix;
  if (!line.empty()) name = line.substr(1);
  return socket;
}

template <class Take>
void each_line(std::string_view text, Take take) {
  text.remove_prefix(std::min(text.find('\n'), text.size()));  // the heading
  while (!text.empty()) {
    text.remove_prefix(1);
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) take(text.substr(0, end));
    text.remove_prefix(end);
  }
}

}  // namespace

Result<SocketTable> socket_table_of_proc(pid_t pid, const std::string& root) {
  SocketTable table;
  constexpr std::pair<const char*, Kind> kLists[] = {
      {"tcp", Kind::kTcp}, {"tcp6", Kind::kTcp}, {"udp", Kind::kUdp}, {"udp6", Kind::kUdp}};
  size_t read = 0;
  for (const auto& [name, kind] : kLists) {
    const auto text = read_file(fmt::format("{}/{}/net/{}", root, pid, name), kMostText);
    if (!text) continue;  // a kernel without IPv6 has no such list
    ++read;
    each_line(*text, [&](std::string_view line) {
      if (const auto socket = inet_line(line, kind)) table.add(*socket);
    });
  }
  const auto text = read_file(fmt::format("{}/{}/net/unix", root, pid), kMostText);
  if (!text && read == 0) return text.error();
  if (text) {
    each_line(*text, [&](std::string_view line) {
      std::string name;
      const auto socket = unix_line(line, name);
      if (!socket) return;
      table.add(*socket);
      if (!name.empty()) table.add_name(socket->inode, std::move(name));
    });
  }
  table.index();
  return table;
}

}  // namespace unclosed
