#include "cli/explain_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/fd.h"
#include "collect/log/counters.h"
#include "collect/log/log_reader.h"
#include "collect/pprof/byte_source.h"
#include "collect/pprof/captured.h"
#include "collect/pprof/inflate.h"
#include "collect/pprof/saved_profile.h"
#include "symbolize/go_sources.h"
#include "symbolize/java_own.h"

namespace unclosed {
namespace {

constexpr size_t kPiece = 1U << 20;
constexpr size_t kHead = 64U << 10;
constexpr size_t kMostCounters = 64U << 20;     // of a capture of counters
constexpr size_t kMostCompressed = 512U << 20;  // of a compressed file

// Everything of all files.
struct Read {
  HuntInput input;
  std::vector<Captured> goroutines;  // in their order
};

Error unreadable(const Error& error) {
  return {error.kind == ErrorKind::kDenied ? ErrorKind::kDenied : ErrorKind::kUsage, error.context,
          "UC-E024"};
}

// A file, or standard input, read from the front.
class Stream {
 public:
  static Result<Stream> open(const std::string& path) {
    Stream stream;
    if (path == "-") {
      const int copy = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
      if (copy < 0) return unreadable(system_error(errno, "standard input"));
      stream.x_file = Fd(copy);
      return stream;
    }
    auto file = Fd::open(path, O_RDONLY);
    if (!file) return unreadable(file.error());
    stream.x_file = *std::move(file);
    return stream;
  }

  // At most `size` further bytes behind `into`; false: the end.
  Result<bool> more(std::string& into, size_t size) {
    const size_t before = into.size();
    into.resize(before + size);
    const auto got = retry_eintr([&] { return ::read(x_file.get(), into.data() + before, size); });
    if (got < 0) {
      into.resize(before);
      return unreadable(system_error(errno, "reading"));
    }
    into.resize(before + static_cast<size_t>(got));
    return got > 0;
  }

 private:
  Stream() = default;
  Fd x_file;
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

char first_sign(std::string_view text) {
  const auto at = std::find_if_not(text.begin(), text.end(), is_space);
  return at == text.end() ? '\0' : *at;
}

// Profiles as text with addresses (debug=1) begin with their kind.
bool is_profile_text(std::string_view head) {
  return head.starts_with("goroutine profile:") || head.starts_with("heap profile:") ||
         head.starts_with("goroutineleak profile:") || head.starts_with("--- mutex:") ||
         head.starts_with("--- contention:");
}

bool is_binary(std::string_view head) {
  const auto odd = std::count_if(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0 || (byte < 0x20 && !is_space(c) && c != '\x1b');
  });
  return static_cast<size_t>(odd) * 50 > head.size();
}

void take_counters(Counters counters, const std::string& name, Read& read) {
  Account account;
  account.source = name;
  account.what = "counters";
  for (PoolSample& pool : counters.pools) pool.source = name;
  account.pools = std::move(counters.pools);
  counters.process.source = name;
  account.gauges.push_back(std::move(counters.process));
  read.input.accounts.push_back(std::move(account));
}

// One document of JSON with counters; nullopt: it is something else, a log for example.
std::optional<Counters> counters_document(const std::string& text) {
  const char first = first_sign(text);
  if (first != '{' && first != '[') return std::nullopt;
  auto counters = read_counters_json(text);
  if (!counters) return std::nullopt;
  const bool expvar = text.find("\"memstats\"") != std::string::npos;
  if (counters->pools.empty() && !expvar) return std::nullopt;
  return *std::move(counters);
}

void finish_log(LogReader& reader, Read& read) {
  Account account = reader.finish();
  if (account.dump) {
    read.goroutines.push_back(*reader.dump());
    read.input.open_in_go = account.open_in_go;
  }
  read.input.accounts.push_back(std::move(account));
}

Status read_profile_of(const ByteSource& bytes, const std::string& name, Read& read) {
  auto captured = read_profile(bytes, name);
  if (!captured) return captured.error();
  Account account;
  account.source = name;
  account.what = "profile";
  captured->capture.source = name;
  account.notes = captured->capture.notes;
  if (captured->kind == ProfileKind::kGoroutines) {
    read.goroutines.push_back(*std::move(captured));
    read.input.open_in_go.clear();
  } else {
    account.notes.push_back(
        fmt::format("{} is a profile of {}, which does not tell of connections: unclosed go {}",
                    name, captured->name, name));
  }
  read.input.accounts.push_back(std::move(account));
  return {};
}

// All of it in memory, for what cannot be read in pieces.
Result<std::string> whole(Stream& stream, std::string begun, size_t most, const std::string& name) {
  while (true) {
    const auto more = stream.more(begun, kPiece);
    if (!more) return more.error();
    if (!*more) return begun;
    if (begun.size() > most)
      return Error{ErrorKind::kLimit,
                   fmt::format("{}: larger than {} MiB, which is the most for such a file", name,
                               most >> 20),
                   "UC-E024"};
  }
}

Status read_text(Stream& stream, std::string text, const std::string& name, Read& read) {
  LogReader reader(name);
  const char first = first_sign(text);
  // A document of JSON may stand in one line or in many; a log of JSON lines is told by failing.
  if (first == '{' || first == '[') {
    while (text.size() < kMostCounters) {
      const auto more = stream.more(text, kPiece);
      if (!more) return more.error();
      if (!*more) break;
      // A first line that is whole and is followed by others makes it a log.
      const size_t end = text.find('\n');
      if (end != std::string::npos && end > 2 && text.substr(0, end).ends_with('}')) break;
    }
    if (auto counters = counters_document(text)) {
      take_counters(*std::move(counters), name, read);
      return {};
    }
  }
  while (true) {
    reader.feed(text);
    text.clear();
    const auto more = stream.more(text, kPiece);
    if (!more) return more.error();
    if (!*more) break;
  }
  finish_log(reader, read);
  return {};
}

Status read_inflated(std::string text, const std::string& name, Read& read) {
  if (looks_like_prometheus(std::string_view(text).substr(0, kHead))) {
    take_counters(read_prometheus(text), name, read);
    return {};
  }
  if (auto counters = counters_document(text)) {
    take_counters(*std::move(counters), name, read);
    return {};
  }
  LogReader reader(name);
  reader.feed(text);
  finish_log(reader, read);
  return {};
}

Status read_compressed(Stream& stream, std::string head, const std::string& name, Read& read) {
  auto bytes = whole(stream, std::move(head), kMostCompressed, name);
  if (!bytes) return bytes.error();
  const auto source = ByteSource::of(*std::move(bytes));
  auto inflated = inflate(source);
  if (!inflated) return inflated.error();
  const auto start = std::string_view(inflated->bytes).substr(0, kHead);
  const auto damaged_at = inflated->damaged_at;
  const auto status = is_binary(start) || is_profile_text(start)
                          ? read_profile_of(source, name, read)
                          : read_inflated(std::move(inflated->bytes), name, read);
  if (status && damaged_at) {
    read.input.accounts.back().notes.push_back(fmt::format(
        "{} is damaged or cut at byte {}, and was read up to there", name, *damaged_at));
  }
  return status;
}

Status read_one(const std::string& path, Read& read) {
  const std::string name = path == "-" ? "standard input" : path;
  auto stream = Stream::open(path);
  if (!stream) return stream.error();
  std::string head;
  while (head.size() < kHead) {
    const auto more = stream->more(head, kHead);
    if (!more) return Error{more.error().kind, name + ": " + more.error().context, "UC-E024"};
    if (!*more) break;
  }
  if (is_gzip(head)) return read_compressed(*stream, std::move(head), name, read);
  if (is_binary(head) || is_profile_text(head)) {
    auto bytes = whole(*stream, std::move(head), kMostCompressed, name);
    if (!bytes) return bytes.error();
    return read_profile_of(ByteSource::of(*std::move(bytes)), name, read);
  }
  if (looks_like_prometheus(head)) {
    auto text = whole(*stream, std::move(head), kMostCounters, name);
    if (!text) return text.error();
    take_counters(read_prometheus(*text), name, read);
    return {};
  }
  return read_text(*stream, std::move(head), name, read);
}

// Frames outside of the groups are marked with them: where Go's sources lay is told by all.
void mark_go(HuntInput& input, const OwnRules& rules) {
  GoroutineCapture all;
  if (input.goroutines) all = std::move(*input.goroutines);
  const size_t groups = all.groups.size();
  const auto lend = [&](std::vector<NamedFrame>& stack) {
    all.groups.emplace_back().stack = std::move(stack);
  };
  for (OpenInGo& open : input.open_in_go) {
    lend(open.stack);
    lend(open.opening);
  }
  for (Account& account : input.accounts) {
    if (account.died) lend(account.died->stack);
  }
  mark_own(all, rules);
  size_t next = groups;
  const auto take_back = [&](std::vector<NamedFrame>& stack) {
    stack = std::move(all.groups[next++].stack);
  };
  for (OpenInGo& open : input.open_in_go) {
    take_back(open.stack);
    take_back(open.opening);
  }
  for (Account& account : input.accounts) {
    if (account.died) take_back(account.died->stack);
  }
  all.groups.resize(groups);
  if (input.goroutines) input.goroutines = std::move(all);
}

}  // namespace

Result<HuntInput> read_for_hunt(const std::vector<std::string>& paths, const OwnRules& rules) {
  Read read;
  for (const std::string& path : paths) {
    if (const auto status = read_one(path, read); !status) return status.error();
  }
  if (!read.goroutines.empty()) {
    const std::string last = read.goroutines.back().capture.source;
    read.input.goroutines = combine(std::move(read.goroutines));
    read.input.goroutines->source = last;
  }
  mark_go(read.input, rules);
  for (Account& account : read.input.accounts) {
    for (ReportedHold& hold : account.holds) {
      mark_own_java(hold.stack, rules);
      mark_own_java(hold.doing, rules);
    }
  }
  return std::move(read.input);
}

}  // namespace unclosed
