// Secrets cut from text that is shown or kept: commands, source lines, what services logged. It
// knows shapes (DSNs, flags, names that speak of a secret, tokens), not meanings: a secret without
// any of these stays, and a harmless word in such a place is cut. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unclosed {

// `command` with the values of secrets cut to "***": passwords in URLs and key=value DSNs, values
// of flags and variables whose name speaks of a password, secret, token or key.
std::vector<std::string> cut_secrets(std::vector<std::string> command);

// A line of source code, where a name like `token` is harmless: only what string literals hold is
// cut, and literals that are assigned to such a name.
std::string cut_secrets_in_code(std::string_view line);

// A line that a service wrote: secrets as in a command, SQL statements behind their first word, and
// the values that databases quote in their errors.
std::string cut_secrets_in_log(std::string_view line);

}  // namespace unclosed
