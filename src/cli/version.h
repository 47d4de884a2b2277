// The version of this build; a test holds it to that of CMakeLists.txt.
#pragma once

namespace unclosed {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace unclosed
