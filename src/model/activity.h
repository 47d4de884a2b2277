// What the facts of one connection tell of its use. They cannot tell what was not traced: of one
// from before the attach only what happened since. Pure; any thread.
#pragma once

#include <optional>

#include "model/connection.h"

namespace unclosed {

// Somebody waits: it is being connected, a request is out without an answer, or a client's request
// is being worked on. `answers`: whether the service answers on accepted ones of this kind.
bool outstanding(const ConnectionFacts& facts, bool answers);
// The last moment at which anything happened on it; nullopt: nothing was ever seen.
std::optional<Instant> last_activity(const ConnectionFacts& facts);

}  // namespace unclosed
