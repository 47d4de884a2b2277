// GoBuildInfo: what a Go binary says of its own making: release, main module, dependencies. It is
// there in stripped binaries as well; builds outside of modules (Bazel, GOPATH) have no modules in
// it. Value type; pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "symbolize/elf_file.h"

namespace unclosed {

struct GoModule {
  std::string path;
  std::string version;
  bool local = false;  // "(devel)", or replaced by a directory: sources that the user edits
};

struct GoBuildInfo {
  std::string version;                 // "go1.26.8"
  std::optional<std::string> main;     // path of the main module; nullopt: built without modules
  std::vector<GoModule> dependencies;  // sorted by path
};

// From the bytes of .go.buildinfo (or a data segment that begins with it): nullopt when they are
// none, or older than Go 1.18.
std::optional<GoBuildInfo> parse_go_build_info(Bytes section);
// From a file: by section, else in the first writable segment. nullopt: not a Go binary.
std::optional<GoBuildInfo> go_build_info(const ElfFile& elf);

// The package of a Go function: "net/http" for "net/http.(*Client).Do", "" for the linker's own
// functions (type:…, go:…).
std::string_view go_package(std::string_view function);

// The minor release: 26 for "go1.26.8"; nullopt: not a release ("devel …").
std::optional<int> go_minor(std::string_view version);

}  // namespace unclosed
