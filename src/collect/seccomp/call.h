// One call of the service as the supervisor saw it, before it went on. Value type; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "collect/seccomp/filter.h"
#include "model/connection.h"

namespace unclosed {

// What a number in a descriptor table was open on when a call named it.
struct OpenOn {
  bool known = false;
  bool socket = false;
  uint64_t inode = 0;  // of a socket
  Kind kind = Kind::kOther;
  std::string name;  // path of a file
};

// The top of a thread's stack, and where it stood.
struct StackCopy {
  uint64_t pc = 0, sp = 0;
  std::vector<uint8_t> bytes;  // from sp on; empty: no stack was taken
};

struct Call {
  CallKind kind = CallKind::kOpens;
  int number = 0;  // of the call, as the kernel counts them
  uint32_t thread = 0, process = 0;
  Instant at;
  int fd = -1;  // that it names; -1: none
  OpenOn on;
  std::array<uint64_t, 2> arguments{};  // the first two
  Endpoint peer;                        // of connect
  std::string peer_name;                // of connect to a unix socket
  std::string path;                     // that open and its kin are given
  uint64_t goroutine = 0;               // 0: not one, or not known
  bool stack_left_out = false;
  StackCopy stack;
};

}  // namespace unclosed
