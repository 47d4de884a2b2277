#include "symbolize/handouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <unordered_map>

#include "symbolize/go_layouts.h"
#include "symbolize/go_prologue.h"

namespace unclosed {
namespace {

// From an interface's word to the descriptor: the pointer in it is a *net.TCPConn (or *UnixConn),
// whose first word is a *netFD, which holds poll.FD.Sysfd at 16. Or it is a *tls.Conn, whose first
// field is the net.Conn below (as in a struct that embeds one), or one of these around the other.
std::vector<std::vector<int32_t>> connections_at(std::vector<int32_t> pointers) {
  std::vector<std::vector<int32_t>> paths;
  for (const size_t wrappers : {0, 1, 2}) {
    auto path = pointers;
    path.insert(path.end(), wrappers, 8);
    path.insert(path.end(), {0, 16});
    paths.push_back(std::move(path));
  }
  return paths;
}

using Paths = std::vector<std::vector<int32_t>>;

// gRPC's own wrapper around TLS keeps the raw connection beside it, as its second interface.
Paths grpc_connection_at(int32_t offset) {
  Paths paths = connections_at({offset + 8});
  paths[2] = {offset + 8, 24, 0, 16};
  return paths;
}

// The library that a layout was looked up for, by minor releases: 85 for v1.85.0. No path: the
// standard library, which Go's own release tells.
struct Releases {
  std::string_view module;
  int oldest = 0, newest = 0;
};

struct Entry {
  std::vector<std::string_view> functions;  // the first that a binary holds
  HandoutUse use = HandoutUse::kGives;
  Releases releases;
  Paths paths;  // from the receiver, which is in rax (register ABI, Go 1.17)
  std::vector<std::string_view> askers;
  std::string_view why;
};

constexpr std::string_view kGrpc = "google.golang.org/grpc";
constexpr std::string_view kGrpcNewStream =
    "google.golang.org/grpc/internal/transport.(*http2Client).NewStream";
constexpr std::string_view kGrpcWhy = "gRPC dials and sends from goroutines of its own";
constexpr std::string_view kNetHttpWhy =
    "net/http dials and sends requests from goroutines of its own";
constexpr std::string_view kNetHttp2Why =
    "net/http dials and sends requests of HTTP/2 from goroutines of its own";
constexpr std::string_view kXNetHttp2Why =
    "golang.org/x/net/http2 dials and sends requests from goroutines of its own";

Entry grpc(int oldest, int newest, int32_t connection) {
  return {{kGrpcNewStream},
          HandoutUse::kGives,
          {kGrpc, oldest, newest},
          grpc_connection_at(connection),
          {"google.golang.org/grpc/internal/transport.(*loopyWriter).run",
           "google.golang.org/grpc/internal/transport.newHTTP2Client"},
          kGrpcWhy};
}

// net/http.persistConn.conn is at 80; a body leads to it through its reader: body.src is an
// io.LimitedReader or a chunkedReader around the persistConn's bufio.Reader, whose rd is at 24.
Paths http1_body() {
  return {{8, 8, 8, 32, 88, 0, 16},
          {8, 8, 8, 32, 88, 8, 0, 16},
          {8, 8, 0, 32, 88, 0, 16},
          {8, 8, 0, 32, 88, 8, 0, 16}};
}

// ClientConn.tconn of HTTP/2 is at 8, in every release so far; clientStream.cc at 0.
const std::vector<Entry>& table() {
  static const std::vector<std::string_view> kHttp1 = {"net/http.(*persistConn).writeLoop",
                                                       "net/http.(*Transport).dialConnFor"};
  static const std::vector<std::string_view> kHttp2 = {"net/http.(*http2clientStream).doRequest",
                                                       "net/http.(*http2ClientConn).readLoop"};
  static const std::vector<std::string_view> kXNetHttp2 = {
      "golang.org/x/net/http2.(*clientStream).doRequest",
      "golang.org/x/net/http2.(*ClientConn).readLoop"};
  constexpr auto kGives = HandoutUse::kGives;
  constexpr auto kTakesBack = HandoutUse::kTakesBack;
  constexpr auto kEnds = HandoutUse::kEnds;
  static const std::vector<Entry> kTable = {
      {{"net/http.(*persistConn).roundTrip"},
       kGives,
       {},
       connections_at({88}),
       kHttp1,
       kNetHttpWhy},
      {{"net/http.(*bodyEOFSignal).Close"}, kTakesBack, {}, http1_body(), kHttp1, kNetHttpWhy},
      {{"net/http.(*http2ClientConn).roundTrip", "net/http.(*http2ClientConn).RoundTrip"},
       kGives,
       {},
       connections_at({16}),
       kHttp2,
       kNetHttp2Why},
      {{"net/http.http2transportResponseBody.Close"},
       kEnds,
       {},
       connections_at({0, 16}),
       kHttp2,
       kNetHttp2Why},
      {{"golang.org/x/net/http2.(*ClientConn).internalRoundTrip",
        "golang.org/x/net/http2.(*ClientConn).roundTrip",
        "golang.org/x/net/http2.(*ClientConn).RoundTrip"},
       kGives,
       {"golang.org/x/net", 0, 62},
       connections_at({16}),
       kXNetHttp2,
       kXNetHttp2Why},
      {{"golang.org/x/net/http2.transportResponseBody.Close"},
       kEnds,
       {"golang.org/x/net", 0, 62},
       connections_at({0, 16}),
       kXNetHttp2,
       kXNetHttp2Why},
      // transport.http2Client.conn moved with the address that was put before it, and with that
      // address's own fields.
      grpc(30, 34, 72),
      grpc(35, 51, 64),
      grpc(52, 57, 136),
      grpc(58, 85, 128),
  };
  return kTable;
}

// The minor release of a module's version: 85 for "v1.85.0", 0 for "v0.0.0-2021…"; nullopt: none.
std::optional<int> module_minor(std::string_view version) {
  const size_t first = version.find('.');
  const size_t second = version.find('.', first == std::string_view::npos ? first : first + 1);
  if (!version.starts_with('v') || second == std::string_view::npos) return std::nullopt;
  const std::string_view digits = version.substr(first + 1, second - first - 1);
  int minor = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), minor);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return minor;
}

using Functions = std::unordered_map<std::string_view, GoFunction>;

// Where the functions of the table are, in one pass over all names.
Functions find_functions(const GoBinary& binary) {
  Functions found;
  for (const Entry& entry : table()) {
    for (const auto function : entry.functions) found.try_emplace(function);
    for (const auto asker : entry.askers) found.try_emplace(asker);
  }
  const GoPclntab& functions = binary.table();
  for (uint64_t i = 0; i < functions.function_count(); ++i) {
    const auto function = functions.function(i);
    if (!function) continue;
    const auto wanted = found.find(function->name);
    if (wanted != found.end()) wanted->second = *function;
  }
  std::erase_if(found, [](const auto& entry) { return entry.second.end == 0; });
  return found;
}

// Whether the layout is known for what the binary was built from; else why not.
std::optional<std::string> unknown_release(const Entry& entry, const GoBuildInfo& build) {
  const auto go = go_minor(build.version);
  if (!go || *go < kOldestGo || *go > kNewestGo)
    return fmt::format("Go release '{}' is not known", build.version);
  if (entry.releases.module.empty()) return std::nullopt;
  const auto module =
      std::find_if(build.dependencies.begin(), build.dependencies.end(),
                   [&](const GoModule& one) { return one.path == entry.releases.module; });
  if (module == build.dependencies.end())
    return fmt::format("the build does not tell its release of {}", entry.releases.module);
  const auto minor = module->local ? std::nullopt : module_minor(module->version);
  if (!minor || *minor < entry.releases.oldest || *minor > entry.releases.newest)
    return fmt::format("release '{}' of {} is not known", module->version, entry.releases.module);
  return std::nullopt;
}

void place(Handout& handout, const GoFunction& function, const GoBinary& binary,
           const ElfFile& elf) {
  const uint64_t address = binary.text() + function.entry;
  const auto bytes = elf.at_address(address);
  const auto body = bytes ? slice(*bytes, 0, function.end - function.entry) : std::nullopt;
  const auto offset = body ? go_probe_offset(*body) : std::nullopt;
  if (offset) {
    handout.probe = ElfAddr{address + *offset};
  } else {
    handout.refused = "unknown prologue";
  }
}

// The entry as this binary has it; nullopt: it does not hold the function.
std::optional<Handout> found_in(const Entry& entry, const Functions& functions,
                                const GoBinary& binary) {
  const auto name =
      std::find_if(entry.functions.begin(), entry.functions.end(),
                   [&](std::string_view function) { return functions.contains(function); });
  if (name == entry.functions.end()) return std::nullopt;
  Handout handout;
  handout.function = *name;
  handout.use = entry.use;
  handout.why = entry.why;
  handout.paths = entry.paths;
  for (const auto one : entry.askers) {
    const auto asker = functions.find(one);
    if (asker == functions.end()) continue;
    handout.askers.emplace_back(ElfAddr{binary.text() + asker->second.entry},
                                ElfAddr{binary.text() + asker->second.end});
  }
  return handout;
}

}  // namespace

std::vector<Handout> find_handouts(const GoBinary& binary, const ElfFile& elf) {
  std::vector<Handout> handouts;
  const Functions functions = find_functions(binary);
  for (const Entry& entry : table()) {
    auto handout = found_in(entry, functions, binary);
    if (!handout) continue;
    // One function may have an entry for each layout that it ever had: the one that fits counts.
    const auto same = std::find_if(handouts.begin(), handouts.end(), [&](const Handout& other) {
      return other.function == handout->function;
    });
    if (same != handouts.end() && same->refused.empty()) continue;
    if (auto unknown = unknown_release(entry, binary.build())) {
      handout->refused = *std::move(unknown);
    } else {
      place(*handout, functions.at(handout->function), binary, elf);
    }
    if (same != handouts.end()) {
      *same = *std::move(handout);
    } else {
      handouts.push_back(*std::move(handout));
    }
  }
  return handouts;
}

}  // namespace unclosed
