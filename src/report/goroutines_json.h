// Goroutines as one JSON document, schema "unclosed.goroutines/1". Fields may be added, never
// renamed. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/goroutine.h"

namespace unclosed {

std::string goroutines_json(const GoroutineCapture& capture);
// One of its groups, for other documents that hold some.
nlohmann::ordered_json group_json(const GoroutineGroup& group);

}  // namespace unclosed
