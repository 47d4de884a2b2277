// From a case to what the report shows of it: counts, sites, states, connections. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "judge/case.h"
#include "model/finding.h"

namespace unclosed {

// The line or variable of the service's own that holds a connection: of a goroutine that waits for
// others, the line at which it does. nullopt: none, or not known.
std::optional<Site> held_by(const Owner& owner);

// A member as a report lists it.
FoundConnection found(const Scene& scene, const Member& member);

// A finding with all that the members say by themselves; verdict, evidence and blame are the
// caller's. At most `most_listed` connections are listed, the oldest first.
Finding describe(const Case& item, size_t most_listed);

// Where siblings of the members are normally closed: the line of the blamed function under which it
// happens, else the innermost own line; nullopt when that was not seen.
std::optional<NormallyClosed> normally_closed(const Case& item, const std::optional<Blame>& blame);

}  // namespace unclosed
