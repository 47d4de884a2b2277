#include "symbolize/plain_name.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "symbolize/rust_name.h"

namespace unclosed {
namespace {

constexpr size_t kNameCap = 16 * 1024;  // longer symbols are not demangled

struct Freed {
  void operator()(char* text) const { std::free(text); }
};

// Past `operator`, the characters of its symbol are no brackets.
size_t operator_end(std::string_view text, size_t at) {
  constexpr std::string_view kWord = "operator";
  if (text.compare(at, kWord.size(), kWord) != 0) return at;
  if (at > 0 && (std::isalnum(static_cast<unsigned char>(text[at - 1])) || text[at - 1] == '_'))
    return at;
  size_t end = at + kWord.size();
  if (end < text.size() &&
      (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_'))
    return at;
  for (const std::string_view symbol :
       {"()", "[]", "<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">"}) {
    if (text.substr(end).starts_with(symbol)) return end + symbol.size();
  }
  return end;
}

// Index behind the bracket that closes the one at `at`; npos when none does.
size_t skip_brackets(std::string_view text, size_t at) {
  int depth = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const size_t past = operator_end(text, i);
    if (past != i) {
      i = past - 1;
      continue;
    }
    const char c = text[i];
    if (c == '<' || c == '(' || c == '{' || c == '[') ++depth;
    if (c == '>' && i > 0 && text[i - 1] == '-') continue;
    if ((c == '>' || c == ')' || c == '}' || c == ']') && --depth == 0) return i + 1;
  }
  return std::string_view::npos;
}

bool replace_all(std::string& text, std::string_view from, std::string_view to) {
  bool any = false;
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
    any = true;
  }
  return any;
}

// The escapes of Rust's older mangling.
std::string rust_part(std::string_view part) {
  static constexpr std::pair<std::string_view, std::string_view> kEscapes[] = {
      {"$SP$", "@"},  {"$BP$", "*"},  {"$RF$", "&"},  {"$LT$", "<"},  {"$GT$", ">"},
      {"$LP$", "("},  {"$RP$", ")"},  {"$C$", ","},   {"$u20$", " "}, {"$u27$", "'"},
      {"$u5b$", "["}, {"$u5d$", "]"}, {"$u7b$", "{"}, {"$u7d$", "}"}, {"$u7e$", "~"},
      {"$u3b$", ";"}, {"$u2b$", "+"}, {"$u22$", "\""}};
  std::string text(part);
  if (text.starts_with("_$")) text.erase(0, 1);
  for (const auto& [from, to] : kEscapes) replace_all(text, from, to);
  replace_all(text, "..", "::");
  return text;
}

std::string older_rust(std::string_view symbol) {
  constexpr size_t kHash = 17;  // "h" and 16 digits
  if (!symbol.starts_with("_ZN")) return {};
  std::string name;
  size_t at = 3;
  std::string_view last;
  while (at < symbol.size() && symbol[at] != 'E') {
    size_t length = 0;
    while (at < symbol.size() && symbol[at] >= '0' && symbol[at] <= '9' && length < kNameCap)
      length = length * 10 + static_cast<size_t>(symbol[at++] - '0');
    if (length == 0 || length > symbol.size() - at) return {};
    if (!last.empty()) name += (name.empty() ? "" : "::") + rust_part(last);
    last = symbol.substr(at, length);
    at += length;
  }
  const bool hash = last.size() == kHash && last[0] == 'h' &&
                    last.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
  if (!hash || at >= symbol.size()) return {};
  return name;
}

// The first part of a path: `&mut shop::Pool` → `shop`.
std::string_view first_part(std::string_view path) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view mark : {"&", "*const ", "*mut ", "mut ", "dyn ", "[", "(", "<"}) {
      if (!path.starts_with(mark)) continue;
      path.remove_prefix(mark.size());
      again = true;
    }
  }
  size_t end = 0;
  while (end < path.size() &&
         (std::isalnum(static_cast<unsigned char>(path[end])) || path[end] == '_'))
    ++end;
  // A type parameter, as `T`, is no crate.
  return path.substr(end).starts_with("::") ? path.substr(0, end) : std::string_view();
}

}  // namespace

std::string plain_rust(std::string_view symbol) {
  if (auto name = rust_v0(symbol)) return std::move(name->path);
  return older_rust(symbol);
}

std::string rust_module(std::string_view file) {
  constexpr std::string_view kSources = "/src/", kEnd = ".rs";
  if (!file.ends_with(kEnd)) return {};
  file.remove_suffix(kEnd.size());
  const size_t sources = file.rfind(kSources);
  if (sources == std::string_view::npos) return std::string(file.substr(file.rfind('/') + 1));
  std::string_view crate = file.substr(0, sources);
  crate.remove_prefix(crate.rfind('/') + 1);
  for (size_t i = 0; i + 1 < crate.size(); ++i)  // the release, in cargo's folder of sources
    if (crate[i] == '-' && std::isdigit(static_cast<unsigned char>(crate[i + 1])))
      crate = crate.substr(0, i);
  std::string_view inner = file.substr(sources + kSources.size());
  for (const std::string_view root : {"main", "lib", "mod"}) {
    const size_t start = inner.rfind('/') + 1;
    if (inner.substr(start) == root) inner = inner.substr(0, start == 0 ? 0 : start - 1);
  }
  if (inner.starts_with("bin/")) {  // a crate of its own
    inner.remove_prefix(4);
    crate = {};
  }
  std::string path(crate);
  std::replace(path.begin(), path.end(), '-', '_');
  if (!path.empty() && !inner.empty()) path += "::";
  for (const char c : inner) path += c == '/' ? "::" : std::string(1, c);
  return path;
}

std::vector<std::string> rust_crates(std::string_view symbol) {
  if (auto name = rust_v0(symbol)) return {std::move(name->crate)};
  const std::string path = older_rust(symbol);
  if (path.empty()) return {};
  std::vector<std::string> crates = {std::string(first_part(path))};
  // `<A as B>::f`: of the brackets of A none is open.
  int depth = 0;
  for (size_t i = 0; i < path.size() && path[0] == '<'; ++i) {
    if (path[i] == '<' || path[i] == '(' || path[i] == '[') ++depth;
    const bool arrow = i > 0 && path[i - 1] == '-';
    if ((path[i] == '>' && !arrow) || path[i] == ')' || path[i] == ']') --depth;
    if (depth == 0) break;
    if (depth == 1 && path.compare(i, 4, " as ") == 0) {
      crates.emplace_back(first_part(std::string_view(path).substr(i + 4)));
      break;
    }
  }
  return crates;
}

std::string without_template(std::string_view name) {
  std::string plain;
  for (size_t i = 0; i < name.size();) {
    const size_t past = operator_end(name, i);
    if (past != i) {
      plain += name.substr(i, past - i);
      i = past;
      continue;
    }
    if (name[i] != '<' || i == 0) {
      plain += name[i++];
      continue;
    }
    const size_t end = skip_brackets(name, i);
    if (end == std::string_view::npos) return std::string(name);
    i = end;
  }
  while (!plain.empty() && plain.back() == ' ') plain.pop_back();
  return plain;
}

std::string plain_demangled(std::string_view text) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)";
  std::string plain;
  for (size_t i = 0; i < text.size();) {
    const size_t past = operator_end(text, i);
    if (past != i) {
      plain += text.substr(i, past - i);
      i = past;
    } else if (text.substr(i).starts_with(kAnonymous)) {
      plain += kAnonymous;
      i += kAnonymous.size();
    } else if (text[i] == '{') {
      const size_t end = skip_brackets(text, i);
      if (end == std::string_view::npos) return std::string(text);
      plain += text.substr(i).starts_with("{lambda") ? "{lambda}" : text.substr(i, end - i);
      i = end;
    } else if (text[i] == '<' || text[i] == '(' || text[i] == '[') {
      const size_t end = skip_brackets(text, i);
      if (end == std::string_view::npos) return std::string(text);
      i = end;
    } else if (text[i] == ' ') {
      // Behind a parameter list: qualifiers; before a name: a return type.
      const std::string_view rest = text.substr(i + 1);
      if (rest.starts_with("const") || rest.starts_with("volatile") || rest.starts_with("&") ||
          rest.starts_with("[")) {
        ++i;
        while (i < text.size() && text[i] != ' ' && text[i] != ':' && text[i] != '[') ++i;
        if (i < text.size() && text[i] == '[') i = text.size();
      } else if (rest.starts_with("<") && plain.find("operator") != std::string::npos) {
        ++i;                                     // template arguments of an operator
      } else if (plain.ends_with("operator")) {  // a conversion: the type is part of the name
        plain += text.substr(i, text.find('(', i) - i);
        i = std::min(text.find('(', i), text.size());
      } else {
        plain.clear();
        ++i;
      }
    } else {
      plain += text[i++];
    }
  }
  replace_all(plain, "{lambda}::operator()", "{lambda}");
  replace_all(plain, "{lambda}::_FUN", "{lambda}");
  return plain.empty() ? std::string(text) : plain;
}

std::string plain_symbol(std::string_view symbol) {
  symbol = symbol.substr(0, symbol.find('@', 1));
  if (symbol.size() > kNameCap || !(symbol.starts_with("_Z") || symbol.starts_with("_R")))
    return std::string(symbol);
  if (std::string rust = plain_rust(symbol); !rust.empty()) return rust;
  const std::string text(symbol.substr(0, symbol.find('.', 1)));  // .isra.0, .cold, .constprop.0
  int status = 0;
  const std::unique_ptr<char, Freed> demangled(
      abi::__cxa_demangle(text.c_str(), nullptr, nullptr, &status));
  if (demangled == nullptr) return std::string(symbol);
  return plain_demangled(demangled.get());
}

}  // namespace unclosed
