// The sockets of one network namespace in brief, to be found by their inode: what a listing of a
// hundred thousand descriptors needs, and no more. The same limits of knowledge as sockdiag.h.
// Filled by one thread; found in by any.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/connection.h"

namespace unclosed {

struct BriefSocket {
  uint64_t inode = 0;
  Kind kind = Kind::kOther;
  TcpState state = TcpState::kNone;  // TCP; kListen and kEstablished of unix sockets too
  uint32_t recv_queue = 0;           // bytes not read; connections not accepted where it listens
  uint32_t send_queue = 0;
  int32_t idle_ms = -1;     // since data went either way; -1: not known
  int32_t older_ms = -1;    // the connection is at least so old; -1: not known
  uint64_t peer_inode = 0;  // of a connected unix socket
  Endpoint local, peer;
};

class SocketTable {
 public:
  // nullptr: no list of the kernel has it.
  const BriefSocket* find(uint64_t inode) const;
  // Of a unix socket: its peer's name, else its own; "" when neither has one.
  const std::string& name_of(const BriefSocket& socket) const;
  size_t size() const { return x_sockets.size(); }
  const std::vector<BriefSocket>& sockets() const { return x_sockets; }
  // What could not be asked, in sentences; empty when the table is complete.
  const std::vector<std::string>& notes() const { return x_notes; }

  // To fill it: all sockets, then index().
  void add(const BriefSocket& socket) { x_sockets.push_back(socket); }
  void add_name(uint64_t inode, std::string name) { x_names.emplace(inode, std::move(name)); }
  void note(std::string text) { x_notes.push_back(std::move(text)); }
  // Takes back what was added since there were `size` sockets.
  void cut(size_t size) { x_sockets.resize(size); }
  void index();

 private:
  std::vector<BriefSocket> x_sockets;
  std::vector<uint32_t> x_places;  // by hash: 1 + the place in x_sockets; 0: free
  std::unordered_map<uint64_t, std::string> x_names;
  std::vector<std::string> x_notes;
};

// From the lists under /proc/PID/net, which anybody may read also of another network namespace, and
// which a kernel without sock_diag has. Without times; slower.
Result<SocketTable> socket_table_of_proc(pid_t pid, const std::string& root = "/proc");

}  // namespace unclosed
