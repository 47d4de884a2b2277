// What programs had open when they ended, by where it was opened. Value types; any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/connection.h"
#include "model/finding.h"

namespace unclosed {

enum class OpenedBy : uint8_t {
  kOwnCode,
  kNoOwnCode,  // the stack of the opening holds no frame of the user's own code
  kUnseen,     // the stack of the opening was not taken
  kRuntime,    // the language's runtime, for itself, whatever code it first did so for
};
std::string_view to_string(OpenedBy by);  // own-code, no-own-code, no-stack, runtime

// Descriptors of one kind that were opened at one place.
struct LeftOpen {
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;  // of a socket
  OpenedBy by = OpenedBy::kOwnCode;
  // kOwnCode: own code, innermost first, its first few. kNoOwnCode: the place in a program without
  // names, if there is one.
  std::vector<Site> frames;
  uint64_t count = 0;
  bool duplicated = false;  // further numbers of what was opened elsewhere, made by dup here
  bool received = false;    // the same, received over a unix socket here
};

}  // namespace unclosed
