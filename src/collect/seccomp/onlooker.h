// Looks at one thread of the service while it is held in a call: where it stands, the top of its
// stack, what a number is open on. Keeps what it opened under /proc for the next call of the same
// thread. Whether what it read is still of that thread is the caller's to check. One thread at a
// time.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "collect/seccomp/call.h"

namespace unclosed {

// From sp on: what 40 frames of usual code take.
constexpr size_t kMostStackCopy = 16384;

class Onlooker {
 public:
  // The process that a thread belongs to; 0: it cannot be read.
  uint32_t process_of(uint32_t thread, Instant now);
  OpenOn open_on(uint32_t process, int fd);
  // The same for a listener, which stays open for long: as of the last tenth of a second.
  OpenOn listener(uint32_t process, int fd);
  // The numbers above the standard streams that exec will close; nullopt: it cannot be read, or has
  // too many to read while it waits.
  static std::optional<std::vector<int>> closing_on_exec(uint32_t process);
  // Where it stands: pc and sp; nullopt: it cannot be read.
  std::optional<StackCopy> position(uint32_t thread);
  // Whether a thread has a table of its own, which is not looked at. Asked of those alone that have
  // said they may: `parts`.
  bool apart(uint32_t process, uint32_t thread);
  void parts(uint32_t thread) { x_apart.insert(thread); }
  // Whether it may be in a call that opens or closes.
  bool changes_table(uint32_t thread);
  // Copies of its memory as much as is there; answers how much that is.
  size_t copy(uint32_t process, uint64_t from, std::span<uint8_t> into) const;
  // The path that an open is given.
  // Whether the process was not seen at this code yet, as far as it is mapped: its first call, the
  // first of its libraries.
  bool meets_new_code(uint32_t process, uint64_t pc);
  void forget_code(uint32_t process) { x_code.erase(process); }
  // Whether the message at `at`, of recvmsg, has room for descriptors.
  bool takes_descriptors(uint32_t process, uint64_t at) const;
  void read_path(uint64_t at, Call& call) const;
  // The address that connect is given, into the call's peer.
  void read_address(uint64_t at, uint64_t size, Call& call) const;

 private:
  struct Thread {
    uint32_t process = 0;
    Fd position;  // /proc/TID/syscall
    Instant checked;
  };
  Thread* thread(uint32_t id);
  ssize_t read_link(uint32_t process, int fd, std::span<char> link);

  std::unordered_map<uint32_t, Thread> x_threads;
  struct Table {
    Fd directory;  // /proc/PID/fd
    Instant checked;
  };
  std::unordered_map<uint32_t, Table> x_tables;  // by process
  // Executable mappings as of the last call from code that was new; by process.
  std::unordered_map<uint32_t, std::vector<std::pair<uint64_t, uint64_t>>> x_code;
  std::unordered_set<uint32_t> x_apart;       // threads that may have a table of their own
  uint32_t x_listening = 0;                   // the process whose listener was asked for last
  int x_listener_fd = -1;
  OpenOn x_listener;
  Instant x_listener_read;
};

}  // namespace unclosed
