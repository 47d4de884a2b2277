// Names of Rust's newer mangling (v0, `_RNv…`): the path of a function and the crate that holds its
// code. Generic arguments, hashes and numbers are left out. The bytes may be anybody's: room and
// time are bounded. It cannot know the older mangling, which looks like C++'s: see plain_name.h.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace unclosed {

struct RustName {
  std::string path;   // `shop::pool::Pool::hold::{closure}`, `<shop::Pool as Drop>::drop`
  std::string crate;  // of an impl's method the crate of the impl
};

// nullopt: not of this mangling, or damaged.
std::optional<RustName> rust_v0(std::string_view symbol);

}  // namespace unclosed
