// Plain names: what a person calls a function, without parameters, template arguments, hashes and
// the like: `store::Repo::open`, `handle::{lambda}`, `victim::pool::hold`. From symbols as the
// linker has them, and from the parts that DWARF has. Pure.
#pragma once

#include <string>
#include <string_view>

namespace unclosed {

// Demangles a C++ or Rust symbol; anything else stays as it is, without an @version.
std::string plain_symbol(std::string_view symbol);
// `handle(int)::{lambda(int)#1}::operator()(int) const` → `handle::{lambda}`.
std::string plain_demangled(std::string_view text);
// One name of DWARF: `vector<int, std::allocator<int> >` → `vector`; operators are kept.
std::string without_template(std::string_view name);
// `_ZN6victim4pool4hold17h0123456789abcdefE` → `victim::pool::hold`; "" for what is not Rust's.
std::string plain_rust(std::string_view symbol);

}  // namespace unclosed
