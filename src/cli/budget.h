// The stack budget as people type it. Pure; any thread.
#pragma once

#include <string_view>

#include "base/result.h"

namespace unclosed {

// "2%", "2 %", "0.5" (of a hundred): a share of one core, above zero and at most 100 %; "off" is 0,
// no bound. kUsage says what is wrong.
Result<double> parse_budget(std::string_view text);

}  // namespace unclosed
