// What the paths in profiles and tracebacks of a Go service tell without its binary: where Go's own
// sources lay when it was built, which release that was where the path says it, and so which frames
// are the user's own code. It cannot know the list of modules: a dependency that was copied into
// the user's tree looks own; --not-own says otherwise. Pure; any thread.
#pragma once

#include <string>

#include "model/goroutine.h"
#include "symbolize/own_rules.h"

namespace unclosed {

struct GoSources {
  std::string root;     // "/usr/local/go/src/"; "" for builds with -trimpath, or when not known
  std::string version;  // "go1.22.12"; "" where no path says it
};
GoSources go_sources(const GoroutineCapture& capture);

// Marks every frame of the capture as own or not, and fills in the release where it is missing.
void mark_own(GoroutineCapture& capture, const OwnRules& rules);

}  // namespace unclosed
