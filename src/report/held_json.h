// Who holds a descriptor as JSON, as docs/schema/goroutines-1.json describes it. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "model/held.h"

namespace unclosed {

nlohmann::ordered_json held_json(const Held& held);
// What the search took and left out.
nlohmann::ordered_json search_json(const HeldReport& report);

}  // namespace unclosed
