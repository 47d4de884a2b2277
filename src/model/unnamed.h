// Where a stack lies in a program that was stripped: known as a place in its file, by no name.
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/stack.h"

namespace unclosed {

// "app+0x11f3": the innermost frame of the program itself, `exe`, of which neither symbols nor
// line tables tell a name, as addr2line takes it; nullopt: there is none.
std::optional<std::string> unnamed_place(const std::vector<NamedFrame>& frames,
                                         std::string_view exe);

}  // namespace unclosed
