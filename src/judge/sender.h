// A goroutine or thread that sends for others: the writer of a multiplexer, of one connection, that
// somebody else opened and others put their questions to. Its stack names nobody; the opening
// does, outside of the code that the sender belongs to. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/stacks.h"
#include "model/connection.h"

namespace unclosed {

// The function that sends for others; nullptr when whoever asks sends. `alive`: that it sends on
// connections that are in use, too, is known.
const OwnFrame* own_sender(const Stacks& stacks, const ConnectionFacts& facts, bool alive);

// What a function belongs to: its package (Go), its class or namespace (C++, Rust); "" for none.
std::string home_of(std::string_view function);

// The opening up to the innermost frame that is not at home where the sender is; nullopt: none.
std::optional<StackView> outside_of(const StackView& opening, std::string_view home);

}  // namespace unclosed
