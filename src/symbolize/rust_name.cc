#include "symbolize/rust_name.h"

#include <cstdint>

namespace unclosed {
namespace {

constexpr size_t kTextCap = 16 * 1024;  // of the answer and of the symbol
constexpr unsigned kDepthCap = 100;
constexpr unsigned kStepCap = 20'000;  // nodes, those met again through references included

// What a reader wants of a part: references are followed only for an answer.
enum class Want { kText, kCrate, kNothing };

bool digit(char c) { return c >= '0' && c <= '9'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool upper(char c) { return c >= 'A' && c <= 'Z'; }

std::string_view basic_type(char c) {
  switch (c) {
    case 'a': return "i8";
    case 'b': return "bool";
    case 'c': return "char";
    case 'd': return "f64";
    case 'e': return "str";
    case 'f': return "f32";
    case 'h': return "u8";
    case 'i': return "isize";
    case 'j': return "usize";
    case 'l': return "i32";
    case 'm': return "u32";
    case 'n': return "i128";
    case 'o': return "u128";
    case 'p': return "_";
    case 's': return "i16";
    case 't': return "u16";
    case 'u': return "()";
    case 'v': return "...";
    case 'x': return "i64";
    case 'y': return "u64";
    case 'z': return "!";
    default: return {};
  }
}

// The grammar of RFC 2603. Each function reads one of its rules from `x_at` on; false and nullopt:
// damaged, and nothing that was read counts.
class V0 {
 public:
  explicit V0(std::string_view text) : x_in(text) {}

  std::optional<RustName> whole() {
    const auto crate = path(Want::kText);
    if (!crate) return std::nullopt;
    // The crate that made this instance of a generic function, and what tools append.
    if (upper(peek()) && !path(Want::kNothing)) return std::nullopt;
    if (x_at < x_in.size() && peek() != '.' && peek() != '$') return std::nullopt;
    return RustName{std::move(x_out), std::string(*crate)};
  }

 private:
  // Bounds of one node.
  struct Node {
    explicit Node(V0& reader) : of(reader) { ++of.x_depth, ++of.x_steps; }
    ~Node() { --of.x_depth; }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    bool allowed() const { return of.x_depth <= kDepthCap && of.x_steps <= kStepCap; }
    V0& of;
  };

  char peek() const { return x_at < x_in.size() ? x_in[x_at] : '\0'; }
  char next() { return x_at < x_in.size() ? x_in[x_at++] : '\0'; }
  bool take(char c) {
    if (peek() != c || x_at >= x_in.size()) return false;
    ++x_at;
    return true;
  }
  bool put(Want want, std::string_view text) {
    if (want != Want::kText) return true;
    if (x_out.size() > kTextCap || text.size() > kTextCap - x_out.size()) return false;
    x_out += text;
    return true;
  }

  std::optional<uint64_t> base62() {
    uint64_t value = 0;
    if (take('_')) return 0;
    for (char c = next(); c != '_'; c = next()) {
      if (!digit(c) && !lower(c) && !upper(c)) return std::nullopt;
      const int one = digit(c) ? c - '0' : lower(c) ? c - 'a' + 10 : c - 'A' + 36;
      if (value > (UINT64_MAX - 62) / 62) return std::nullopt;
      value = value * 62 + static_cast<uint64_t>(one);
    }
    return value + 1;
  }

  std::optional<std::string_view> identifier() {
    if (take('s') && !base62()) return std::nullopt;
    take('u');  // punycode, which is left as it is
    if (!digit(peek())) return std::nullopt;
    size_t length = static_cast<size_t>(next() - '0');
    while (length != 0 && digit(peek())) {
      length = length * 10 + static_cast<size_t>(next() - '0');
      if (length > x_in.size()) return std::nullopt;
    }
    take('_');
    if (length > x_in.size() - x_at) return std::nullopt;
    const std::string_view text = x_in.substr(x_at, length);
    for (const char c : text)
      if (!digit(c) && !lower(c) && !upper(c) && c != '_') return std::nullopt;
    x_at += length;
    return text;
  }

  // Behind 'B': calls `read` where it points, which lies before it.
  template <class Read>
  auto referred(Read read) -> decltype(read()) {
    const size_t here = x_at - 1;
    const auto to = base62();
    if (!to || *to >= here) return {};
    const size_t back = x_at;
    x_at = static_cast<size_t>(*to);
    auto answer = read();
    x_at = back;
    return answer;
  }

  // The crate of the path; "" where it is not wanted.
  std::optional<std::string_view> path(Want want) {
    const Node node(*this);
    if (!node.allowed()) return std::nullopt;
    switch (next()) {
      case 'C': {
        const auto crate = identifier();
        return crate && put(want, *crate) ? crate : std::nullopt;
      }
      case 'N': return nested(want);
      case 'I': {
        const auto crate = path(want);
        return crate && arguments() ? crate : std::nullopt;
      }
      case 'M': return inherent(want);
      case 'X': {
        const auto crate = impl_path(want);
        return crate && as_trait(want) ? crate : std::nullopt;
      }
      case 'Y': return as_trait(want);
      case 'B':
        if (want == Want::kNothing) {
          const size_t here = x_at - 1;
          const auto to = base62();
          return to && *to < here ? std::optional<std::string_view>("") : std::nullopt;
        }
        return referred([&] { return path(want); });
      default: return std::nullopt;
    }
  }

  std::optional<std::string_view> nested(Want want) {
    const char space = next();
    if (!lower(space) && !upper(space)) return std::nullopt;
    const auto crate = path(want);
    const auto name = crate ? identifier() : std::nullopt;
    if (!name) return std::nullopt;
    if (space == 'C') return put(want, "::{closure}") ? crate : std::nullopt;
    if (space == 'S') return put(want, "::{shim}") ? crate : std::nullopt;
    if (name->empty()) return crate;
    return put(want, "::") && put(want, *name) ? crate : std::nullopt;
  }

  // Where an impl stands: of it only the crate is of use.
  std::optional<std::string_view> impl_path(Want want) {
    if (take('s') && !base62()) return std::nullopt;
    return path(want == Want::kNothing ? want : Want::kCrate);
  }

  std::optional<std::string_view> inherent(Want want) {
    const auto crate = impl_path(want);
    const size_t start = x_out.size();
    if (!crate || !type(want)) return std::nullopt;
    if (want != Want::kText || start >= x_out.size()) return crate;
    // `[T]::sort` would be read otherwise.
    const char first = x_out[start];
    const bool plain = (lower(first) || upper(first) || first == '_') &&
                       x_out.find(' ', start) == std::string::npos;
    if (plain) return crate;
    x_out.insert(start, 1, '<');
    return put(want, ">") ? crate : std::nullopt;
  }

  // The crate of the trait.
  std::optional<std::string_view> as_trait(Want want) {
    if (!put(want, "<") || !type(want == Want::kText ? want : Want::kNothing)) return std::nullopt;
    if (!put(want, " as ")) return std::nullopt;
    const auto crate = path(want);
    return crate && put(want, ">") ? crate : std::nullopt;
  }

  // Up to the 'E' that ends a list.
  template <class Read>
  bool list(Read read) {
    while (!take('E'))
      if (x_at >= x_in.size() || !read()) return false;
    return true;
  }

  bool arguments() {
    return list([&] {
      if (take('L')) return base62().has_value();
      if (take('K')) return constant();
      return type(Want::kNothing);
    });
  }

  bool type(Want want) {
    const Node node(*this);
    if (!node.allowed()) return false;
    const char c = next();
    if (const auto basic = basic_type(c); !basic.empty()) return put(want, basic);
    switch (c) {
      case 'A': return put(want, "[") && type(want) && constant() && put(want, "]");
      case 'S': return put(want, "[") && type(want) && put(want, "]");
      case 'R':
      case 'Q':
        if (take('L') && !base62()) return false;
        return put(want, c == 'R' ? "&" : "&mut ") && type(want);
      case 'P': return put(want, "*const ") && type(want);
      case 'O': return put(want, "*mut ") && type(want);
      case 'T': return tuple(want);
      case 'F': return put(want, "fn()") && signature();
      case 'D': return put(want, "dyn ") && bounds(want);
      case 'B':
        if (want == Want::kNothing) {
          const size_t here = x_at - 1;
          const auto to = base62();
          return to && *to < here;
        }
        return referred([&] { return type(want); });
      default:
        if (c == '\0') return false;
        --x_at;
        return path(want).has_value();
    }
  }

  bool tuple(Want want) {
    bool first = true;
    const bool read = put(want, "(") && list([&] {
                        if (!first && !put(want, ", ")) return false;
                        first = false;
                        return type(want);
                      });
    return read && put(want, ")");
  }

  bool signature() {
    if (take('G') && !base62()) return false;
    take('U');
    if (take('K') && !take('C') && !identifier()) return false;
    return list([&] { return type(Want::kNothing); }) && type(Want::kNothing);
  }

  bool bounds(Want want) {
    if (take('G') && !base62()) return false;
    bool first = true;
    const bool read = list([&] {
      if (!path(first ? want : Want::kNothing)) return false;
      first = false;
      while (take('p'))
        if (!identifier() || !type(Want::kNothing)) return false;
      return true;
    });
    return read && take('L') && base62();
  }

  // A value among generic arguments, of which nothing is shown.
  bool constant() {
    const Node node(*this);
    if (!node.allowed()) return false;
    const char c = next();
    switch (c) {
      case 'p': return true;
      case 'B': return base62().has_value();
      case 'R':
      case 'Q': return constant();
      case 'A':
      case 'T': return list([&] { return constant(); });
      case 'V': return variant();
      default: break;
    }
    if (basic_type(c).empty()) return false;
    take('n');
    while (digit(peek()) || (peek() >= 'a' && peek() <= 'f')) ++x_at;
    return take('_');
  }

  bool variant() {
    if (!path(Want::kNothing)) return false;
    switch (next()) {
      case 'U': return true;
      case 'T': return list([&] { return constant(); });
      case 'S': return list([&] { return identifier() && constant(); });
      default: return false;
    }
  }

  std::string_view x_in;  // behind "_R", where references count from
  size_t x_at = 0;
  std::string x_out;
  unsigned x_depth = 0, x_steps = 0;
};

}  // namespace

std::optional<RustName> rust_v0(std::string_view symbol) {
  if (symbol.size() > kTextCap || !symbol.starts_with("_R")) return std::nullopt;
  return V0(symbol.substr(2)).whole();
}

}  // namespace unclosed
