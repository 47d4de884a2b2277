// Plain names: what a person calls a function, without parameters, template arguments, hashes and
// the like: `store::Repo::open`, `handle::{lambda}`, `victim::pool::hold`. From symbols as the
// linker has them, and from the parts that DWARF has. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unclosed {

// Demangles a C++ or Rust symbol; anything else stays as it is, without an @version.
std::string plain_symbol(std::string_view symbol);
// `handle(int)::{lambda(int)#1}::operator()(int) const` → `handle::{lambda}`.
std::string plain_demangled(std::string_view text);
// One name of DWARF: `vector<int, std::allocator<int> >` → `vector`; operators are kept.
std::string without_template(std::string_view name);
// `_ZN6victim4pool4hold17h0123456789abcdefE`, `_RNvNtCs1_6victim4pool4hold` → `victim::pool::hold`;
// "" for what is not Rust's.
std::string plain_rust(std::string_view symbol);
// The module that a Rust source is, by the folders of cargo: `/app/shop/src/desk/line.rs` →
// `shop::desk::line`, `….cargo/registry/src/index-1/tokio-1.54.1/src/net/mod.rs` → `tokio::net`; ""
// for what is no Rust source.
std::string rust_module(std::string_view file);
// The crates of which one holds the code of a Rust function: of a trait's method, where the symbol
// does not say more, those of the type and of the trait. Empty for what is not Rust's.
std::vector<std::string> rust_crates(std::string_view symbol);

}  // namespace unclosed
