#include "symbolize/own_rules.h"

#include <algorithm>
#include <array>

#include "model/process.h"

namespace unclosed {
namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// `package` is the module itself or lies below it.
bool below(std::string_view package, std::string_view module) {
  return package.starts_with(module) &&
         (package.size() == module.size() || package[module.size()] == '/');
}

bool system_path(std::string_view path) {
  static constexpr std::array<std::string_view, 7> kRoots = {
      "/usr/include/", "/usr/lib",    "/usr/src/",    "/lib",
      "/nix/store/",   "/usr/share/", "/usr/libexec/"};
  return std::any_of(kRoots.begin(), kRoots.end(),
                     [&](std::string_view root) { return path.starts_with(root); });
}

bool compiler_header(std::string_view file) {
  return has(file, "/include/c++/") || has(file, "/include/boost/") || has(file, "/lib/gcc/") ||
         has(file, "/lib/clang/");
}

bool start_code(std::string_view function) {
  return function == "_start" || function == "_init" || function == "_fini" ||
         function == "__libc_csu_init" || function == "__do_global_dtors_aux" ||
         function == "frame_dummy" || function.ends_with("register_tm_clones") ||
         function.starts_with("__libc_start") || function.starts_with("[unknown]");
}

// An interpreter, or a native extension of one: neither is what its user wrote.
bool of_interpreter(std::string_view path) {
  static constexpr std::array<std::string_view, 7> kExtensions = {
      ".cpython-",       ".abi3.so", "/lib-dynload/", "/site-packages/",
      "/dist-packages/", "/jvm/",    "/node_modules/"};
  return is_interpreter(path) ||
         std::any_of(kExtensions.begin(), kExtensions.end(),
                     [&](std::string_view part) { return has(path, part); });
}

bool own_rust(std::string_view file) {
  return !file.starts_with("/rustc/") && !has(file, "/.cargo/registry/") &&
         !has(file, "/.cargo/git/") && !has(file, "/cargo/registry/") &&
         !has(file, "/rustlib/src/") && !has(file, "library/std/src/") &&
         !has(file, "library/core/src/") && !has(file, "library/alloc/src/") &&
         !file.starts_with("/rust/deps/") && !has(file, "/vendor/");
}

// Go without a module list: where the file lies is all there is.
bool own_go_by_file(const GoCall& call, std::string_view package) {
  const std::string_view file = call.file;
  if (has(file, "/pkg/mod/") || has(file, "/vendor/") || file.starts_with("vendor/") ||
      has(file, "/external/") || file.starts_with("external/"))
    return false;
  const size_t at = file.find('@');
  if (at != std::string_view::npos && file.find('/', at) != std::string_view::npos) return false;
  if (package == "main") return true;
  if (!call.go_root.empty() && !file.empty()) return !file.starts_with(call.go_root);
  return !go_standard(package);
}

}  // namespace

// The folders below src/ of Go's own sources.
bool go_standard(std::string_view package) {
  static constexpr std::array<std::string_view, 54> kFolders = {
      "archive",   "arena",   "bufio",   "builtin",  "bytes",  "cmd",     "cmp",      "compress",
      "container", "context", "crypto",  "database", "debug",  "embed",   "encoding", "errors",
      "expvar",    "flag",    "fmt",     "go",       "hash",   "html",    "image",    "index",
      "internal",  "io",      "iter",    "log",      "maps",   "math",    "mime",     "net",
      "os",        "path",    "plugin",  "reflect",  "regexp", "runtime", "simd",     "slices",
      "sort",      "strconv", "strings", "structs",  "sync",   "syscall", "testing",  "text",
      "time",      "unicode", "unique",  "unsafe",   "vendor", "weak"};
  const std::string_view first = package.substr(0, package.find('/'));
  return std::find(kFolders.begin(), kFolders.end(), first) != kFolders.end();
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] == text[t] && pattern[p] != '*'))) {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::optional<bool> own_by_pattern(const OwnRules& rules, std::string_view function,
                                   std::string_view file, std::string_view module) {
  const auto any = [&](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      const auto matches = [&](std::string_view text) {
        if (pattern.find_first_of("*?") == std::string::npos) return has(text, pattern);
        return glob_matches(pattern, text);
      };
      return !pattern.empty() && (matches(function) || matches(file) || matches(module));
    });
  };
  if (any(rules.not_own)) return false;
  if (any(rules.own)) return true;
  return std::nullopt;
}

bool own_native(const NativeFrame& frame) {
  if (start_code(frame.function) || of_interpreter(frame.module_path)) return false;
  if (!frame.executable && system_path(frame.module_path)) return false;
  // Without files only the crate tells: of all that cargo links, one is surely the user's.
  if (frame.language == Language::kRust && frame.file.empty())
    return !frame.program_crate.empty() &&
           std::find(frame.crates.begin(), frame.crates.end(), frame.program_crate) !=
               frame.crates.end();
  if (frame.language == Language::kRust && !own_rust(frame.file)) return false;
  // Where the user's code has DWARF, what has none was linked in: a static libc, start code.
  if (frame.file.empty())
    return !frame.has_debug && (frame.executable || !system_path(frame.module_path));
  if (system_path(frame.file) || compiler_header(frame.file)) return false;
  // Distributions build below /build/<package>; libc's sources name themselves ../sysdeps/….
  if (frame.file.starts_with("../sysdeps/") || frame.file.starts_with("./nptl/")) return false;
  if (frame.file.starts_with("/build/") && system_path(frame.module_path)) return false;
  return !frame.file.starts_with("./build/glibc") && !has(frame.file, "/libstdc++-v3/");
}

std::string rust_program(std::string_view path, std::span<const std::string> mains) {
  std::string_view file = path.substr(path.rfind('/') + 1);
  if (const size_t end = file.find(".so"); end != std::string_view::npos && end > 0) {
    file = file.substr(0, end);
    if (file.starts_with("lib")) file.remove_prefix(3);
  }
  std::string name(file);
  std::replace(name.begin(), name.end(), '-', '_');
  const bool named = std::find(mains.begin(), mains.end(), name) != mains.end();
  return !named && mains.size() == 1 ? mains.front() : name;
}

const GoModule* go_dependency(const GoBuildInfo& build, std::string_view package) {
  const GoModule* longest = nullptr;
  for (const GoModule& module : build.dependencies) {
    if (!below(package, module.path)) continue;
    if (longest == nullptr || module.path.size() > longest->path.size()) longest = &module;
  }
  return longest;
}

bool own_go(const GoCall& call) {
  const std::string_view package = go_package(call.function);
  if (package.empty() || call.file == "<autogenerated>") return false;
  if (call.file.substr(call.file.rfind('/') + 1).starts_with("_cgo_")) return false;
  if (call.build == nullptr || (!call.build->main && call.build->dependencies.empty()))
    return own_go_by_file(call, package);
  if (package == "main") return true;
  // The linker writes dots of the last element as %2e.
  std::string plain(package);
  for (size_t at = plain.find("%2e"); at != std::string::npos; at = plain.find("%2e"))
    plain.replace(at, 3, ".");
  const GoModule* dependency = go_dependency(*call.build, plain);
  const bool in_main = call.build->main && below(plain, *call.build->main);
  if (dependency != nullptr && (!in_main || dependency->path.size() > call.build->main->size()))
    return dependency->local;
  return in_main;
}

}  // namespace unclosed
