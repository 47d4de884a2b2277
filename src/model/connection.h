// What is known of one connection: any open file, alive while any descriptor of any process refers
// to it. Its identity is the kernel's object, never (pid, fd). Facts are what a collector saw; what
// it could not see is absent (nullopt, kNoStack), and never zero pretending to be a fact. Value
// types; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/process.h"
#include "model/stack.h"

namespace unclosed {

enum class Kind : uint8_t {
  kTcp,
  kUdp,
  kUnix,
  kFile,
  kPipe,
  kFifo,
  kEventfd,
  kEpoll,
  kTimerfd,
  kSignalfd,
  kInotify,
  kMemfd,
  kPidfd,
  kNetlink,
  kOther,
};
// The word of the report's `kind`.
std::string_view to_string(Kind kind);
// Kinds whose sends and receives are seen (sockets). The others have growth alone as evidence.
bool is_socket(Kind kind);

// Numbering of the kernel (include/net/tcp_states.h). kNone: not TCP, or not known.
enum class TcpState : uint8_t {
  kNone = 0,
  kEstablished = 1,
  kSynSent = 2,
  kSynRecv = 3,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kTimeWait = 6,
  kClose = 7,
  kCloseWait = 8,
  kLastAck = 9,
  kListen = 10,
  kClosing = 11,
  kNewSynRecv = 12,
};
// ESTABLISHED, CLOSE_WAIT, … ; "" for kNone.
std::string_view to_string(TcpState state);

// One end of an internet socket. family is AF_INET, AF_INET6, or 0 for "not known, or no address".
struct Endpoint {
  uint16_t family = 0;
  uint16_t port = 0;                  // host byte order
  std::array<uint8_t, 16> address{};  // network byte order; IPv4 in the first four
  auto operator<=>(const Endpoint&) const = default;
  bool known() const { return family != 0; }
  // "127.0.0.1:5432", "[::1]:5432" (IPv4-mapped addresses as IPv4); "" when not known.
  std::string to_string() const;
};

// The object in the kernel, and which of its successive lives: objects are reused.
struct ConnectionId {
  uint64_t object = 0;
  uint64_t generation = 0;
  auto operator<=>(const ConnectionId&) const = default;
};
struct ConnectionIdHash {
  size_t operator()(const ConnectionId& id) const {
    return std::hash<uint64_t>()(id.object * 0x9e3779b97f4a7c15ULL ^ id.generation);
  }
};

// Who ran: the thread, and the goroutine when it was one (0: not a goroutine, or not known).
struct Actor {
  uint32_t thread = 0;
  uint64_t goroutine = 0;
  // Same goroutine, or the same thread where neither is a goroutine.
  bool same_as(const Actor& other) const {
    return goroutine != 0 || other.goroutine != 0 ? goroutine == other.goroutine
                                                  : thread == other.thread;
  }
};

// One moment at which somebody did something with a connection. stack is kNoStack when none was
// taken (sampled out, lost, not seen); `at` is then still right.
struct Use {
  StackId stack = kNoStack;
  Instant at;
  Actor by;
};

enum class Role : uint8_t { kUnknown, kClient, kServer, kListener };

// Facts of one connection, as of the record they came with.
struct ConnectionFacts {
  ConnectionId id;
  ProcessId opener;  // the process that opened it, or was first seen holding it
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;  // kServer: came out of accept(2)
  bool before_attach = false;  // its opening was not seen; opened.at is then the attach, a bound
  bool shared = false;         // more than one descriptor referred to it when last looked
  uint64_t inode = 0;
  Endpoint local, peer;
  std::string name;  // path of a file or unix socket (the peer's, else its own), else ""

  Use opened;
  std::optional<Use> duplicated;  // the last dup(2), dup2, dup3, F_DUPFD of it
  // Where each number counts by itself (rung seccomp): `opened` is the call that gave this one, a
  // dup, and this is the opening of what it is a copy of.
  std::optional<Use> copied_from;

  // The last requests with different stacks, newest first; request: the first send, or a send after
  // a receive.
  std::array<std::optional<Use>, 3> requests;
  // The last hand-outs by a library with different stacks, newest first: who was given the
  // connection. Seen only while the library's hand-out function is probed.
  std::array<std::optional<Use>, 3> borrowed;
  std::array<uint32_t, 3> borrowed_times{};  // how often each was seen
  std::optional<Use> returned;               // the last hand-back to a library that was seen
  std::optional<Use> first_receive;          // the first receive after the last request
  // The present run of requests by one goroutine or thread.
  std::optional<Use> tenure;  // its first request
  bool opening_in_tenure =
      false;  // the opener itself made the first request of all, and the tenure is that one
  uint64_t request_count = 0;
  uint64_t tenure_count = 0;      // tenures so far
  uint64_t unasked_receives = 0;  // receives that followed no outstanding request
  uint64_t bytes_sent = 0, bytes_received = 0;
  std::optional<Instant> last_send, last_receive;
  Duration longest_idle_gap{};  // longest time between an answer and the next request so far

  std::optional<Instant> connect_started, connect_finished;
  int connect_errno = 0;  // how the connect failed; 0: it did not

  TcpState state = TcpState::kNone;
  std::optional<Instant> state_since;
  std::optional<Instant> peer_closed_at;  // the peer's FIN arrived
  std::optional<Instant> end_seen_at;  // the application was given end-of-file, ECONNRESET or EPIPE
  int end_errno = 0;                   // 0 for end-of-file
  // Who was given that end, of an accepted connection; first_receive is not known then.
  std::optional<Use> told_of_end;
  // The last close of one of its descriptors, while others still referred to it.
  std::optional<Instant> partly_closed_at;
  uint64_t recv_queue = 0, send_queue = 0;  // bytes not read / not acknowledged
  uint32_t unanswered_probes = 0;           // retransmissions or window probes without answer
  bool keepalive = false;                   // SO_KEEPALIVE is on
};

// A number in one process's table that refers to a connection.
struct Descriptor {
  ProcessId process;
  int fd = -1;
  auto operator<=>(const Descriptor&) const = default;
};

// A further number of what is open already: who made it.
enum class CopyHow : uint8_t { kDuplicated, kReceived };  // by dup and its like; over a unix socket
struct Copy {
  Descriptor place;
  Use made;
  CopyHow how = CopyHow::kDuplicated;
};

}  // namespace unclosed
