// OwnRules: which frames are the user's own code. Decided by where the source lies, by Go's module
// list and by the binary, per language; the user's patterns go before all of it. It cannot know a
// library whose sources were copied into the user's tree: a --not-own pattern says that. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "symbolize/go_build_info.h"

namespace unclosed {

// Globs (`*`, `?`) over the function, the file or the module of a frame; a pattern without any of
// both matches a part of them. `not_own` wins where both match.
struct OwnRules {
  std::vector<std::string> own, not_own;
};

enum class Language { kC, kRust, kOther };

// What decides for one frame of a native binary.
struct NativeFrame {
  std::string_view function, file, module_path;
  bool executable = false;  // the program itself, not a library
  bool has_debug = false;   // the binary has DWARF
  // Of a Rust function of which only the symbol is known: the crates that may hold it, and the one
  // that the binary was built of.
  std::span<const std::string> crates;
  std::string_view program_crate;
  Language language = Language::kC;
};

// What decides for one frame of a Go binary. `go_root`: where the standard library's sources lay
// ("/usr/local/go/src/"; "" for builds with -trimpath).
struct GoCall {
  std::string_view function, file;
  const GoBuildInfo* build = nullptr;
  std::string_view go_root;
};

bool glob_matches(std::string_view pattern, std::string_view text);

// What the user's patterns say; nullopt: nothing.
std::optional<bool> own_by_pattern(const OwnRules& rules, std::string_view function,
                                   std::string_view file, std::string_view module);
bool own_native(const NativeFrame& frame);
// The crate of a Rust binary, by the crates with a `main` and by the name of its file, which cargo
// makes of the crate's.
std::string rust_program(std::string_view path, std::span<const std::string> mains);
bool own_go(const GoCall& call);
// Whether a package belongs to Go's own library, by the first element of its path.
bool go_standard(std::string_view package);
// The dependency that holds `package`; null: none.
const GoModule* go_dependency(const GoBuildInfo& build, std::string_view package);

}  // namespace unclosed
