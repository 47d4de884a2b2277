// What a look at the descriptors of processes shows, without records or stacks: the data of
// `unclosed ls`. It cannot know when a descriptor was opened, only bounds of its age. What a rung
// cannot see is absent, never zero. Value types; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "model/connection.h"
#include "model/go_memory.h"
#include "model/limit.h"
#include "model/process.h"

namespace unclosed {

struct ListedDescriptor {
  int32_t fd = -1;
  uint32_t thread = 0;  // of a thread that has a table of its own; 0: the process's table
  Kind kind = Kind::kOther;
  TcpState state = TcpState::kNone;
  bool socket = false;
  // A socket that is in no list of the kernel: reset, timed out, or never bound or connected.
  bool unlisted = false;
  bool has_queues = false;  // the two below are known
  uint32_t recv_queue = 0;  // bytes not read; connections not accepted where it listens
  uint32_t send_queue = 0;  // bytes not acknowledged
  int32_t idle_ms = -1;     // since data went either way; -1: not known
  int32_t older_ms = -1;    // it is at least so old; -1: not known
  uint32_t name = 0;        // 1 + its place in ListedProcess::names; 0: none
  uint64_t inode = 0;
  Endpoint local, peer;
};

// How many descriptors a process had, over the time that was looked.
using DescriptorCourse = std::vector<std::pair<Instant, uint64_t>>;

struct ListedProcess {
  ProcessId id;
  std::string comm;                  // the kernel's short name
  std::vector<std::string> command;  // secrets are cut already
  uint32_t uid = 0;
  Instant started;  // no descriptor of its own is older, unless it was inherited
  std::optional<LimitUse> nofile;
  DescriptorCourse course;
  std::optional<double> growth_per_second;     // over the course; nullopt: not watched
  std::optional<double> exhausted_in_seconds;  // its nofile; nullopt: not growing, or not watched
  std::vector<ListedDescriptor> descriptors;   // by number, those of the process's table first
  std::vector<std::string> names;              // paths, and names of unix sockets
  std::vector<ParkedDescriptor> parked;        // of a Go process: who waits on them; ascending
  std::string obstacle;          // why its descriptors could not be read; "" when they were
  std::string sockets_obstacle;  // why its sockets are without state; "" when they have it
};

struct Listing {
  std::string rung;         // "bpf" or "proc"
  std::string rung_reason;  // why it is not "bpf"; "" where it is
  WallClock clock;
  Instant started, ended;       // the time over which the trend was seen; equal: none was
  std::vector<ProcessId> gone;  // asked for, and ended meanwhile
  std::vector<ListedProcess> processes;
  uint64_t unreadable = 0;  // processes that could not be read, and are not among the above
  std::optional<LimitUse> open_files;                       // of the whole machine (fs.file-nr)
  std::optional<std::pair<uint16_t, uint16_t>> port_range;  // for outgoing connections
  std::vector<std::string> notes;                           // what was not seen, in sentences
};

}  // namespace unclosed
