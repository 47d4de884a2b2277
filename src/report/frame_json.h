// A frame as JSON, as docs/schema/report-1.json describes it. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "model/stack.h"

namespace unclosed {

nlohmann::ordered_json frame_json(const NamedFrame& frame);

}  // namespace unclosed
