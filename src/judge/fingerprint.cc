#include "judge/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace unclosed {
namespace {

bool all_of(std::string_view text, int (*is)(int)) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [&](unsigned char c) { return is(c) != 0; });
}

// "func1", "gowrap2", "3", "-fm": how Go names what has no name of its own.
bool is_go_number(std::string_view part) {
  for (const std::string_view prefix : {"func", "gowrap", "deferwrap"}) {
    if (part.starts_with(prefix) && all_of(part.substr(prefix.size()), std::isdigit)) return true;
  }
  return all_of(part, std::isdigit);
}

bool is_clone(std::string_view part) {
  return part == "cold" || part == "part" || part == "isra" || part == "constprop" ||
         part == "lto_priv" || part.starts_with("llvm");
}

std::string without_templates(std::string_view function) {
  // operator<, operator<<, operator-> and their kin are names, not brackets.
  const size_t op = function.rfind("operator");
  std::string text;
  int depth = 0;
  for (size_t i = 0; i < function.size(); ++i) {
    if (op != std::string_view::npos && i >= op && depth == 0) {
      text += function[i];
      continue;
    }
    // Rust's "<T as Trait>::f" starts with a bracket that is part of the name.
    if (function[i] == '<' && i > 0) {
      ++depth;
    } else if (function[i] == '>' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      text += function[i];
    }
  }
  return text;
}

}  // namespace

std::string normalized_function(std::string_view function) {
  std::string text = without_templates(function);
  // Go's type arguments.
  if (const size_t at = text.find("[...]"); at != std::string::npos) text.erase(at, 5);
  if (text.ends_with("-fm")) text.resize(text.size() - 3);
  // Rust's hash: "::h" and 16 hex digits.
  if (text.size() > 19) {
    const std::string_view end = std::string_view(text).substr(text.size() - 19);
    if (end.starts_with("::h") && all_of(end.substr(3), std::isxdigit))
      text.resize(text.size() - 19);
  }
  for (;;) {
    const size_t dot = text.rfind('.');
    if (dot == std::string::npos || dot == 0) break;
    const std::string_view part = std::string_view(text).substr(dot + 1);
    if (!is_go_number(part) && !is_clone(part)) break;
    text.resize(dot);
  }
  return text;
}

std::string fingerprint(std::string_view role, std::string_view kind,
                        const std::vector<std::string>& functions) {
  uint32_t hash = 2166136261U;  // FNV-1a
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
    hash = (hash ^ 0xffU) * 16777619U;
  };
  add(role);
  add(kind);
  for (const auto& function : functions) add(normalized_function(function));
  return fmt::format("v1:{:08x}", hash);
}

}  // namespace unclosed
