// Who still holds a descriptor in a running Go process: for each, the way from a package variable
// or a goroutine's stack down to it. All descriptors are looked for at once. Nothing is stopped:
// what was found is read again before it is told, and what no longer holds is dropped and counted.
// It cannot know descriptors outside of the runtime's poller, nor what C code keeps. One thread at
// a time.
#pragma once

#include <span>

#include "collect/golang/go_process.h"
#include "collect/golang/goroutine_reader.h"
#include "collect/golang/holder_graph.h"
#include "model/go_frame.h"
#include "model/held.h"

namespace unclosed {

// A package variable, as the binary's symbols tell.
struct GoVariable {
  std::string name;
  std::string type;  // "" when not known
  bool own = false;
};

// Names for what was found. Addresses are those of the file.
class HolderNames {
 public:
  virtual ~HolderNames() = default;
  // The variable that holds the address; nullopt: not known, the binary is stripped.
  virtual std::optional<GoVariable> variable_at(ElfAddr address) = 0;
  // The calls at an address of code, innermost first.
  virtual std::vector<NamedFrame> frames_at(ElfAddr pc) = 0;
  // Which words of the frame at this call are in use; nullopt: the compiler does not say.
  virtual std::optional<GoFrameMap> frame_map(ElfAddr pc) = 0;
  // The release that the program was built with of a module ("github.com/jackc/puddle/v2");
  // nullopt: not known, or the user's own sources.
  virtual std::optional<std::string> release_of(std::string_view module) = 0;
};

// One for each of `fds`, in ascending order. `list`: its goroutines, read a moment ago. kGone,
// kUnsupported: as GoProcess; its heap was not found.
Result<HeldReport> holders_of(GoProcess& process, const GoroutineList& list,
                              std::span<const int> fds, HolderNames& names,
                              const HolderSettings& settings = {});

}  // namespace unclosed
