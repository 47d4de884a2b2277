// Rather too much is cut than too little: a command with one word less is still read, a password
// that was shown is lost. Each argument is read once from left to right for each shape of a secret.
#include "model/cut_secrets.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace unclosed {
namespace {

constexpr std::string_view kCut = "***";

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_name(char c) { return is_word(c) || c == '_' || c == '-' || c == '.'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The words of a name: "dbPass", "db_pass" and "DB-PASS" are all {db, pass}.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < name.size(); ++i) {
    const bool hump = i > 0 && is_upper(name[i]) && is_word(name[i - 1]) && !is_upper(name[i - 1]);
    if ((hump || !is_word(name[i])) && !words.back().empty()) words.emplace_back();
    if (is_word(name[i])) words.back().push_back(name[i]);
  }
  if (words.back().empty()) words.pop_back();
  for (auto& word : words) word = lower(word);
  return words;
}

bool speaks_of_a_secret(const std::string& word) {
  static constexpr std::array kWhole = {"pass",  "key",    "auth", "authorization", "cookie",
                                        "creds", "bearer", "jwt",  "passin",        "passout"};
  static constexpr std::array kInside = {"password", "passwd",     "passphrase", "passcode",
                                         "secret",   "token",      "apikey",     "accesskey",
                                         "authkey",  "privatekey", "credential", "signingkey"};
  static constexpr std::array kEnd = {"pwd", "pass", "_key"};
  if (word == "bypass" || word == "compass") return false;
  const auto is = [&](std::string_view one) { return word == one; };
  const auto has = [&](std::string_view one) { return word.find(one) != std::string::npos; };
  const auto ends = [&](std::string_view one) { return word.ends_with(one); };
  return std::any_of(kWhole.begin(), kWhole.end(), is) ||
         std::any_of(kInside.begin(), kInside.end(), has) ||
         std::any_of(kEnd.begin(), kEnd.end(), ends);
}

// Names of what holds or describes a secret ("--password-file") are not secret themselves.
bool is_secret_name(std::string_view name) {
  static constexpr std::array kPlaces = {"file", "path", "dir", "env", "name", "type", "length"};
  if (name.size() > 200) return true;
  const auto words = words_of(name);
  if (words.empty() || words.front() == "no") return false;
  const auto is_last = [&](std::string_view one) { return words.back() == one; };
  if (std::any_of(kPlaces.begin(), kPlaces.end(), is_last)) return false;
  return std::any_of(words.begin(), words.end(), speaks_of_a_secret);
}

// scheme://user:password@host, also where the password holds '/', '@' or ':'. A user alone is a
// token where the scheme is http.
std::string cut_urls(std::string_view text) {
  std::string out;
  while (true) {
    const size_t at = text.find("://");
    if (at == std::string_view::npos) break;
    const size_t start = at + 3;
    // Another URL in the same word ("a://u:p@h,b://u:p@h") is read by itself.
    const size_t limit = std::min(text.find("://", start), text.size());
    size_t end = start;
    while (end < limit && !is_space(text[end]) && !is_quote(text[end])) ++end;
    const auto one = text.substr(start, end - start);
    const size_t host = one.rfind('@');
    out += text.substr(0, start);
    size_t taken = 0;
    if (host != std::string_view::npos) {
      const size_t colon = one.substr(0, host).find(':');
      const size_t slash = one.find('/');
      const auto scheme = lower(text.substr(at - std::min<size_t>(at, 5), std::min<size_t>(at, 5)));
      const bool http = scheme.ends_with("http") || scheme == "https";
      if (colon != std::string_view::npos) {
        out += one.substr(0, colon + 1);
        out += kCut;
        taken = host;
      } else if (http && (slash == std::string_view::npos || host < slash)) {
        out += kCut;
        taken = host;
      }
    }
    text.remove_prefix(start + taken);
  }
  out += text;
  return out;
}

// user:password@host without a scheme, as Go's MySQL driver has it:
// user:password@tcp(host:3306)/db; and user/password@//host/service, as Oracle does.
std::string cut_user_at(std::string_view text) {
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    size_t end = i;
    while (end < text.size() && !is_space(text[end]) && !is_quote(text[end])) ++end;
    auto word = text.substr(i, end - i);
    const size_t at = word.rfind('@');
    const size_t scheme = word.rfind("://");
    const bool oracle = at != std::string_view::npos && word.substr(at).starts_with("@//");
    const size_t colon =
        oracle ? word.find('/') : word.find(':', scheme == std::string_view::npos ? 0 : scheme + 3);
    const bool digest = at != std::string_view::npos && word.substr(at).starts_with("@sha256:");
    if (at != std::string_view::npos && colon != std::string_view::npos && colon < at && !digest &&
        word.substr(0, colon).find('@') == std::string_view::npos) {
      out += word.substr(0, colon + 1);
      out += kCut;
      word = word.substr(at);
    }
    out += word;
    if (end < text.size()) out += text[end++];
    i = end;
  }
  return out;
}

// Where the value that starts at `from` ends, quotes included.
size_t value_end(std::string_view text, size_t from, char separator, bool semicolons) {
  if (from < text.size() && is_quote(text[from])) {
    size_t i = from + 1;
    while (i < text.size() && text[i] != text[from]) i += text[i] == '\\' ? 2 : 1;
    return std::min(i + 1, text.size());
  }
  for (size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || is_quote(c)) return i;
    if (separator == ':') continue;  // a header, or YAML: to the end of the line or quotation
    if (is_space(c) && !semicolons) return i;
    if (c == '&' || c == ';') {
      size_t name = i + 1;
      while (name < text.size() && is_name(text[name])) ++name;
      if (name == text.size() || (name > i + 1 && text[name] == '=')) return i;
    }
  }
  return text.size();
}

// Whether a ';' separates assignments ("Server=s;Password=my p"): then a space ends no value.
bool separated_by_semicolons(std::string_view text) {
  for (size_t i = text.find(';'); i < text.size(); i = text.find(';', i)) {
    const size_t name = ++i;
    while (i < text.size() && is_name(text[i])) ++i;
    if (i > name && i < text.size() && text[i] == '=') return true;
  }
  return false;
}

// name=value, name = value, "name": "value", Name: value, and "--name value" within a shell's text.
std::string cut_named_values(std::string_view text) {
  std::string out;
  const bool flag = text.starts_with('-');
  const bool semicolons = separated_by_semicolons(text);
  size_t i = 0, copied = 0;
  while (i < text.size()) {
    if (!is_name(text[i])) {
      ++i;
      continue;
    }
    const size_t start = i;
    while (i < text.size() && is_name(text[i])) ++i;
    const bool word_start = start == 0 || is_space(text[start - 1]) || is_quote(text[start - 1]);
    size_t separator = i;
    if (separator < text.size() && is_quote(text[separator])) ++separator;
    while (separator < text.size() && text[separator] == ' ') ++separator;
    if (separator >= text.size()) break;
    const bool spaced = word_start && text[start] == '-' && separator > i && text[i] == ' ' &&
                        !text.substr(separator).starts_with("--");
    const bool assigned = text[separator] == '=' || text[separator] == ':';
    if (!spaced && !assigned) continue;
    if (!assigned) --separator;  // the space
    if (text.substr(separator).starts_with("://")) continue;
    if (!is_secret_name(text.substr(start, i - start))) continue;
    size_t from = separator + 1;
    while (from < text.size() && text[from] == ' ') ++from;
    if (from >= text.size()) break;
    const bool all = flag && start <= 2 && text[separator] == '=';
    const size_t end = all ? text.size()
                           : value_end(text, from, text[separator],
                                       semicolons && (start == 0 || text[start - 1] == ';'));
    const bool quoted = !all && is_quote(text[from]);
    out += text.substr(copied, from - copied + (quoted ? 1 : 0));
    out += kCut;
    if (quoted && end > from + 1 && text[end - 1] == text[from]) out += text[from];
    i = copied = std::max(end, from);
  }
  out += text.substr(copied);
  return out;
}

// Tokens that tell by their own look.
std::string cut_tokens(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kStarts = {
      "eyJ",   "ghp_",     "gho_",     "ghs_", "github_pat_", "glpat-",
      "xoxb-", "sk_live_", "rk_live_", "AKIA", "hvs.",        "sk-"};
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    const size_t start = i;
    while (i < text.size() && is_name(text[i])) ++i;
    const auto word = text.substr(start, i - start);
    const bool known =
        word.size() >= 16 &&
        std::any_of(kStarts.begin(), kStarts.end(), [&](auto s) { return word.starts_with(s); });
    out += known ? kCut : word;
    if ((word == "Bearer" || word == "Basic") && i < text.size() && text[i] == ' ') {
      size_t end = i + 1;
      while (end < text.size() && !is_space(text[end]) && !is_quote(text[end])) ++end;
      if (end > i + 1) out.append(" ").append(kCut);
      i = end;
    } else if (i < text.size()) {
      out += text[i++];
    }
  }
  return out;
}

// One-letter flags whose meaning depends on the program.
struct ShortFlag {
  std::string_view program;  // starts with
  std::string_view flag;     // "-p"
  enum { kAttached, kNext, kBoth, kUserColon } form;
};
constexpr std::array kShortFlags = {
    ShortFlag{"mysql", "-p", ShortFlag::kAttached},
    ShortFlag{"mariadb", "-p", ShortFlag::kAttached},
    ShortFlag{"mongo", "-p", ShortFlag::kBoth},
    ShortFlag{"sshpass", "-p", ShortFlag::kBoth},
    ShortFlag{"redis-cli", "-a", ShortFlag::kNext},
    ShortFlag{"redis-benchmark", "-a", ShortFlag::kNext},
    ShortFlag{"ldap", "-w", ShortFlag::kBoth},
    ShortFlag{"mosquitto", "-P", ShortFlag::kNext},
    ShortFlag{"sqlcmd", "-P", ShortFlag::kBoth},
    ShortFlag{"curl", "-u", ShortFlag::kUserColon},
    ShortFlag{"curl", "--user", ShortFlag::kUserColon},
    ShortFlag{"curl", "-U", ShortFlag::kUserColon},
    ShortFlag{"curl", "--proxy-user", ShortFlag::kUserColon},
    ShortFlag{"ab", "-A", ShortFlag::kUserColon},
    ShortFlag{"smbclient", "-U", ShortFlag::kNext},
};

void cut_after_colon(std::string& text, size_t from) {
  const size_t colon = text.find(':', from);
  if (colon != std::string::npos) text.replace(colon + 1, std::string::npos, kCut);
}

void cut_short_flag(const ShortFlag& one, std::vector<std::string>& command, size_t from) {
  const auto& [name, flag, form] = one;
  for (size_t i = from; i < command.size(); ++i) {
    auto& argument = command[i];
    const bool exact = argument == flag;
    const bool attached = flag.size() == 2 && argument.size() > 2 && argument.starts_with(flag);
    if (form == ShortFlag::kUserColon) {
      if (exact && i + 1 < command.size()) cut_after_colon(command[i + 1], 0);
      if (attached) cut_after_colon(argument, 2);
      if (argument.starts_with(std::string(flag) + "=")) cut_after_colon(argument, flag.size());
      continue;
    }
    if (exact && form != ShortFlag::kAttached && i + 1 < command.size())
      command[++i] = kCut;
    else if (attached && form != ShortFlag::kNext)
      argument = std::string(flag) + std::string(kCut);
  }
}

// Behind the program's name, wherever it stands: `sudo mysql -psecret`.
void cut_short_flags(std::vector<std::string>& command) {
  for (const auto& one : kShortFlags) {
    for (size_t i = 0; i < command.size(); ++i) {
      std::string_view program = command[i];
      program = program.substr(program.rfind('/') + 1);
      if (!program.starts_with(one.program)) continue;
      cut_short_flag(one, command, i + 1);
      break;
    }
  }
}

// The same in a text for a shell: sh -c "exec mysql -psecret".
void cut_short_flags_within(std::string& argument) {
  if (argument.find(' ') == std::string::npos) return;
  std::vector<std::string> words(1);
  for (const char c : argument) {
    if (c == ' ')
      words.emplace_back();
    else
      words.back() += c;
  }
  const auto before = words;
  cut_short_flags(words);
  if (words == before) return;
  argument = words.front();
  for (size_t i = 1; i < words.size(); ++i) argument += " " + words[i];
}

// The start of a statement of SQL: its first words, and what must follow for it to be one and not
// prose ("failed to select a backend").
struct Statement {
  std::string_view first, then;
};
constexpr std::array kStatements = {
    Statement{"select ", " from "}, Statement{"insert into ", ""}, Statement{"update ", " set "},
    Statement{"delete from ", ""},  Statement{"with ", " as ("},   Statement{"merge into ", ""},
    Statement{"replace into ", ""}, Statement{"call ", "("},       Statement{"execute ", "("}};

// Whether a statement begins at `at` of `text`; `low` is the same in lower case. Shouted, or right
// behind a quote, the first word is enough.
size_t statement_words(std::string_view text, std::string_view low, size_t at) {
  if (at > 0 && is_name(text[at - 1])) return 0;
  for (const auto& [first, then] : kStatements) {
    if (low.substr(at, first.size()) != first) continue;
    const bool sure = is_upper(text[at]) && is_upper(text[at + 1]);
    const bool quoted = at > 0 && (is_quote(text[at - 1]) || text[at - 1] == '=');
    if (then.empty() || sure || quoted || low.find(then, at) != std::string_view::npos)
      return first.find(' ');
  }
  return 0;
}

// "SELECT ***" up to the end of the quotation that the statement stands in, or of the line.
std::string cut_statements(std::string_view text) {
  const std::string low = lower(text);
  static constexpr std::string_view kFirstLetters = "siudwmrce";
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    const size_t words =
        kFirstLetters.find(low[i]) == std::string_view::npos ? 0 : statement_words(text, low, i);
    if (words == 0) {
      out += text[i++];
      continue;
    }
    const char before = i == 0 ? ' ' : text[i - 1];
    out.append(text.substr(i, words)).append(" ").append(kCut);
    if (!is_quote(before)) break;
    i += words;
    while (i < text.size() && text[i] != before) i += text[i] == '\\' ? 2 : 1;
  }
  return out;
}

// What databases quote of a row or of the arguments: Key (email)=(x), Duplicate entry 'x',
// parameters: $1 = 'x'.
std::string cut_quoted_values(std::string text) {
  struct Place {
    std::string_view before;
    char last;  // of the value; 0: the end of the line
  };
  static constexpr std::array kPlaces = {Place{")=(", ')'},        Place{"Duplicate entry '", '\''},
                                         Place{"parameters: ", 0}, Place{"Parameters: ", 0},
                                         Place{"args=[", ']'},     Place{"args: [", ']'}};
  for (const auto& [before, last] : kPlaces) {
    for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at)) {
      at += before.size();
      const size_t end = last == 0 ? text.size() : std::min(text.find(last, at), text.size());
      text.replace(at, end - at, kCut);
      at += kCut.size();
    }
  }
  return text;
}

}  // namespace

std::string cut_secrets_in_log(std::string_view line) {
  return cut_tokens(cut_named_values(
      cut_user_at(cut_urls(cut_statements(cut_quoted_values(std::string(line)))))));
}

std::vector<std::string> cut_secrets(std::vector<std::string> command) {
  cut_short_flags(command);
  for (size_t i = 0; i < command.size(); ++i) {
    cut_short_flags_within(command[i]);
    const std::string_view argument = command[i];
    const bool named = argument.size() > 1 && argument.starts_with('-') &&
                       argument.find_first_of("=: ") == std::string_view::npos &&
                       is_secret_name(argument);
    command[i] = cut_tokens(cut_named_values(cut_user_at(cut_urls(argument))));
    // A value may begin with one dash: random tokens do.
    if (named && i + 1 < command.size() && !command[i + 1].starts_with("--")) {
      command[++i] = kCut;
    }
  }
  return command;
}

std::string cut_secrets_in_code(std::string_view line) {
  std::string out;
  bool secret = false;  // the name before an assignment speaks of a secret
  std::string_view name;
  size_t i = 0;
  while (i < line.size()) {
    const char c = line[i];
    if (is_name(c)) {
      const size_t start = i;
      while (i < line.size() && is_name(line[i])) ++i;
      name = line.substr(start, i - start);
      secret = false;
      out += name;
    } else if (is_quote(c) && c != '\'') {  // 'x' is a character, or begins a lifetime
      size_t end = i + 1;
      while (end < line.size() && line[end] != c) end += line[end] == '\\' ? 2 : 1;
      end = std::min(end, line.size());
      const auto literal = line.substr(i + 1, end - i - 1);
      out += c;
      out += secret && !literal.empty()
                 ? std::string(kCut)
                 : cut_tokens(cut_named_values(cut_user_at(cut_urls(literal))));
      if (end < line.size()) out += c;
      // A key of a map: "password": "x".
      name = literal;
      secret = false;
      i = std::min(end + 1, line.size());
    } else {
      if (c == '=' || c == ':') secret = is_secret_name(name);
      if (c == ',' || c == ';' || c == '(') secret = false;
      out += c;
      ++i;
    }
  }
  return out;
}

}  // namespace unclosed
