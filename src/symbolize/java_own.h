// Which frames of a Java stack are the user's own code: a stack in a log tells class names alone,
// so packages of the platform and of widespread libraries decide. A library that the table does not
// know looks own; --not-own says otherwise. Pure.
#pragma once

#include <vector>

#include "model/stack.h"
#include "symbolize/own_rules.h"

namespace unclosed {

void mark_own_java(std::vector<NamedFrame>& stack, const OwnRules& rules);

}  // namespace unclosed
