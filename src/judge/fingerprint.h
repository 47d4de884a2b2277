// A name of a finding that survives a rebuild and a restart: made of role, kind and the names of
// own functions, without lines, addresses, build ids or peers. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unclosed {

// The name without what a compiler numbers or mangles into it: Go's closure numbers, template
// arguments, Rust's hashes, clones (".cold", ".part.0").
std::string normalized_function(std::string_view function);

// "v1:" and eight hex digits.
std::string fingerprint(std::string_view role, std::string_view kind,
                        const std::vector<std::string>& functions);

}  // namespace unclosed
