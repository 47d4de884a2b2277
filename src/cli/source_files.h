// Source lines for text reports, read from the file that the build recorded: in the target's own
// root first, then on this machine. A target names these files, so it is not trusted with them:
// only regular files with the ending of a source file, never out of its root by a link, and secrets
// in string literals are cut. It cannot know whether the file is still the one that was built. One
// thread at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "report/report_text.h"

namespace unclosed {

struct SourcePlaces {
  std::vector<std::string> roots;  // e.g. "/proc/42/root"
  // Starts of recorded paths, and where on this machine such files are instead.
  std::vector<std::pair<std::string, std::string>> moved;
};

// "FROM=TO"; kUsage otherwise.
Result<std::pair<std::string, std::string>> parse_moved(const std::string& text);

SourceReader source_files(SourcePlaces places);

}  // namespace unclosed
