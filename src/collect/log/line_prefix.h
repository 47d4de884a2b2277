// What carriers of logs put in front of a service's lines: docker compose and swarm, kubectl,
// stern, container runtimes, journald, syslog, CI, and the service's own times before the lines of
// a Go traceback. One line in, the size of its outermost prefix out; views only. Pure; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace unclosed {

struct Prefix {
  size_t size = 0;          // 0: there is none
  std::string_view stream;  // whose line it says this is; "": it does not
  bool partial = false;     // the line goes on in the next one of this stream
  bool doubtful = false;    // services write such themselves, also before words like the runtime's
};
Prefix prefix_of(std::string_view text);

}  // namespace unclosed
