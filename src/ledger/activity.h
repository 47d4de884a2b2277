// What the facts of one connection tell of its use, as the ledger follows it from scan to scan.
// Pure; any thread.
#pragma once

#include <optional>

#include "model/connection.h"

namespace unclosed {

// Somebody waits: a request is out without an answer, or a client's request is being worked on.
bool outstanding_use(const ConnectionFacts& facts);
// The last moment at which anything happened on it; nullopt: nothing was ever seen.
std::optional<Instant> last_use(const ConnectionFacts& facts);

}  // namespace unclosed
