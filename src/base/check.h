// CHECK: our own broken invariant. It ends the program with a message (exit code 70), also in
// release builds. Never for what a user, a target or a file did: that is an Error.
#pragma once

namespace unclosed {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace unclosed

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::unclosed::check_failed(#condition, __FILE__, __LINE__))
