#include "lines.h"

#include <sys/socket.h>

namespace lines {

std::string read(int socket) {
  std::string line;
  char buffer[128];
  while (line.find('\n') == std::string::npos) {
    const ssize_t count = recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) return {};
    line.append(buffer, static_cast<size_t>(count));
  }
  return line.substr(0, line.find('\n'));
}

bool write(int socket, const std::string& line) {
  const std::string bytes = line + "\n";
  return send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace lines
