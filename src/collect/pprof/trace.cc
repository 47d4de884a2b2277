#include "collect/pprof/trace.h"

#include <algorithm>
#include <cstring>

namespace unclosed {
namespace {

// The runtime elides frames beyond 100; what is longer was not printed by it.
constexpr size_t kMostFrames = 512, kMostAncestors = 64, kMostName = 4096;
constexpr size_t kMostLine = 1 << 16;

constexpr uint64_t kPrime = 0x9e3779b97f4a7c15, kOther = 0xd6e8feb86659fd93;

uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word_at(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

struct Line {
  std::string_view text;  // without \n and \r
  size_t next;            // offset behind it
};

Line line_at(std::string_view text, size_t at) {
  const char* start = text.data() + at;
  const auto* end = static_cast<const char*>(std::memchr(start, '\n', text.size() - at));
  const size_t size = end == nullptr ? text.size() - at : static_cast<size_t>(end - start);
  std::string_view line(start, size);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return {line, end == nullptr ? text.size() : at + size + 1};
}

struct Walked {
  size_t size = 0;
  TraceEnd end = TraceEnd::kText;
  std::optional<size_t> broken_at;
};

// The one reader of what follows a header. `sink` hears frame(function, place),
// created(creator, place), origin(id), elided(). A function or creator without place is told with
// an empty one, and marked as broken.
template <class Sink>
class Walker {
 public:
  Walker(std::string_view text, Sink& sink) : x_text(text), x_sink(sink) {}

  Walked walk(size_t at) {
    while (at < x_text.size()) {
      const Line line = line_at(x_text, at);
      const auto end = line.text.empty() ? TraceEnd::kBlank : take(line.text, at);
      if (line.text.empty()) at = line.next;
      if (end) return finish(at, *end);
      at = line.next;
    }
    return finish(at, TraceEnd::kText);
  }

 private:
  enum class Open : uint8_t { kNothing, kFunction, kCreator };

  std::optional<TraceEnd> take(std::string_view line, size_t at) {
    if (line.front() == '\t' || line.front() == ' ') {
      if (x_open != Open::kNothing) {
        const auto place = trace_place(line);
        const bool whole = !place.empty() && place.back() >= '0' && place.back() <= '9';
        // Of C code without a name only the address is told.
        if (!whole && !place.starts_with("pc=0x") && !x_broken_at) x_broken_at = at;
        tell(place);
        return std::nullopt;
      }
      return kind_of_line(line) == TraceLine::kUnavailable ? std::nullopt
                                                           : std::optional(TraceEnd::kOther);
    }
    if (line.back() == ')') {
      const auto name = trace_function(line);
      if (name.size() < line.size() && name.find(' ') == std::string_view::npos) {
        open(Open::kFunction, at);
        x_function = name;
        return std::nullopt;
      }
    }
    return take_rare(line, at);
  }

  std::optional<TraceEnd> take_rare(std::string_view line, size_t at) {
    switch (kind_of_line(line)) {
      case TraceLine::kCreator:
        open(Open::kCreator, at);
        x_creator = *trace_creator(line);
        return std::nullopt;
      case TraceLine::kOrigin:
        close();
        x_sink.origin(*trace_origin(line));
        return std::nullopt;
      case TraceLine::kElided:
        close();
        x_sink.elided();
        return std::nullopt;
      case TraceLine::kBareFunction: {
        // Only a place below makes it a frame; the last line of a cut text may be one.
        const Line below = line_at(x_text, std::min(x_text.size(), at_end_of(line)));
        if (below.text.empty() || (below.text.front() != '\t' && below.text.front() != ' ')) break;
        open(Open::kFunction, at);
        x_function =
            line.starts_with("non-Go function") ? std::string_view("non-Go function") : line;
        return std::nullopt;
      }
      case TraceLine::kUnavailable:
        return std::nullopt;
      case TraceLine::kPlace:  // its indentation was lost
        if (x_open == Open::kNothing) break;
        tell(trace_place(line));
        return std::nullopt;
      case TraceLine::kHeader:
        return TraceEnd::kHeader;
      case TraceLine::kBlank:
        return TraceEnd::kBlank;
      case TraceLine::kFunction:
      case TraceLine::kOther:
        break;
    }
    return TraceEnd::kOther;
  }

  size_t at_end_of(std::string_view line) const {
    return line_at(x_text, static_cast<size_t>(line.data() - x_text.data())).next;
  }

  void open(Open what, size_t at) {
    close();
    x_open = what;
    x_opened_at = at;
  }

  // Whatever waits for its place does not get one.
  void close() {
    if (x_open == Open::kNothing) return;
    if (!x_broken_at) x_broken_at = x_opened_at;
    tell({});
  }

  void tell(std::string_view place) {
    if (x_open == Open::kFunction) {
      x_sink.frame(x_function, place);
    } else {
      x_sink.created(x_creator, place);
    }
    x_open = Open::kNothing;
  }

  Walked finish(size_t at, TraceEnd end) {
    close();
    // A text that ends within a line was cut there.
    if (end == TraceEnd::kOther && !x_broken_at && x_text.find('\n', at) == std::string_view::npos)
      x_broken_at = at;
    if (end == TraceEnd::kText && !x_broken_at && !x_text.empty() && x_text.back() != '\n')
      x_broken_at = cut_line();
    return {at, end, x_broken_at};
  }

  // The place of the last line lacks its offset or is cut within its number: nobody can tell. Only
  // what cannot be a whole line is called cut.
  std::optional<size_t> cut_line() const {
    const size_t start = x_text.rfind('\n') + 1;
    const std::string_view line = x_text.substr(start);
    const auto kind = kind_of_line(line);
    // Where a frame's pointers are printed, all three are.
    const bool half = line.find(" fp=0x") != std::string_view::npos &&
                      line.find(" pc=0x") == std::string_view::npos;
    if (kind == TraceLine::kPlace && half) return start;
    if (kind == TraceLine::kPlace || kind == TraceLine::kElided || kind == TraceLine::kUnavailable)
      return std::nullopt;
    return start;
  }

  std::string_view x_text;
  Sink& x_sink;
  Open x_open = Open::kNothing;
  size_t x_opened_at = 0;
  std::string_view x_function;
  TraceCreator x_creator;
  std::optional<size_t> x_broken_at;
};

struct Hasher {
  uint64_t hash = kPrime, parent = 0;
  bool in_ancestors = false;

  void frame(std::string_view function, std::string_view place) {
    hash = mix(mix(hash, function), place);
  }
  void created(const TraceCreator& creator, std::string_view place) {
    hash = mix(mix(hash ^ kOther, creator.function), place);
    if (!in_ancestors) parent = creator.parent;
  }
  void origin(uint64_t id) {
    hash = mix(hash, "originating");
    if (parent == 0 && !in_ancestors) parent = id;
    in_ancestors = true;
  }
  void elided() { hash = mix(hash, "elided"); }
};

NamedFrame frame_of(std::string_view function, std::string_view place) {
  NamedFrame frame;
  frame.function = function.substr(0, kMostName);
  const TracePlace parts = split_place(place.substr(0, kMostName));
  frame.file = parts.file;
  frame.line = parts.line;
  return frame;
}

struct Builder {
  ParsedTrace trace;
  bool in_ancestors = false;

  std::vector<NamedFrame>* stack() {
    if (!in_ancestors) return &trace.stack;
    return trace.ancestors.size() > kMostAncestors ? nullptr : &trace.ancestors.back();
  }
  void frame(std::string_view function, std::string_view place) {
    auto* const frames = stack();
    if (frames == nullptr) return;
    if (frames->size() < kMostFrames) {
      frames->push_back(frame_of(function, place));
    } else if (!in_ancestors) {
      trace.truncated = Truncation::kDepth;
    }
  }
  void created(const TraceCreator& creator, std::string_view place) {
    if (in_ancestors) {
      frame(creator.function, place);  // the go statement that an ancestor was started by
      return;
    }
    trace.created_by = frame_of(creator.function, place);
    trace.parent = creator.parent;
  }
  void origin(uint64_t id) {
    if (trace.parent == 0 && !in_ancestors) trace.parent = id;
    in_ancestors = true;
    if (trace.ancestors.size() <= kMostAncestors) trace.ancestors.emplace_back();
  }
  void elided() {
    if (!in_ancestors) trace.truncated = Truncation::kDepth;
  }
};

}  // namespace

uint64_t mix(uint64_t hash, std::string_view text) {
  const char* at = text.data();
  size_t left = text.size();
  hash ^= left * kOther;
  for (; left >= 16; left -= 16, at += 16)
    hash = fold(word_at(at) ^ hash, word_at(at + 8) ^ kPrime);
  if (left >= 8) {
    hash = fold(word_at(at) ^ hash, word_at(at + left - 8) ^ kOther);
  } else if (left > 0) {
    uint64_t word = 0;
    std::memcpy(&word, at, left);
    hash = fold(word ^ hash, kOther ^ left);
  }
  return fold(hash ^ kPrime, kOther);
}

std::optional<TraceFacts> scan_trace(std::string_view text) {
  const Line first = line_at(text.substr(0, std::min(text.size(), kMostLine)), 0);
  const auto header = trace_header(first.text);
  if (!header) return std::nullopt;
  TraceFacts facts;
  facts.header = *header;
  Hasher hasher;
  const Walked walked = Walker(text, hasher).walk(first.next);
  const uint64_t key = mix(hasher.hash, header->state) + (header->leaked ? 1 : 0);
  facts.key = key == 0 ? 1 : key;
  facts.parent = hasher.parent;
  facts.size = walked.size;
  facts.end = walked.end;
  facts.broken_at = walked.broken_at;
  return facts;
}

std::optional<ParsedTrace> parse_trace(std::string_view text) {
  const Line first = line_at(text.substr(0, std::min(text.size(), kMostLine)), 0);
  const auto header = trace_header(first.text);
  if (!header) return std::nullopt;
  Builder builder;
  builder.trace.id = header->id;
  builder.trace.state = header->state.substr(0, kMostName);
  if (header->wait_minutes > 0)
    builder.trace.wait_seconds = static_cast<double>(header->wait_minutes) * 60;
  builder.trace.locked_to_thread = header->locked;
  builder.trace.leaked = header->leaked;
  const Walked walked = Walker(text, builder).walk(first.next);
  if (walked.broken_at && builder.trace.truncated == Truncation::kNone)
    builder.trace.truncated = Truncation::kUnreadable;
  return std::move(builder.trace);
}

GoroutineGroup group_of(ParsedTrace trace, uint64_t key) {
  GoroutineGroup group;
  group.count = 1;
  group.state = std::move(trace.state);
  if (trace.wait_seconds) group.wait = WaitSeconds{*trace.wait_seconds, *trace.wait_seconds};
  group.stack = std::move(trace.stack);
  group.truncated = trace.truncated;
  group.created_by = std::move(trace.created_by);
  group.ancestors = std::move(trace.ancestors);
  group.parent = trace.parent;
  group.locked_to_thread = trace.locked_to_thread ? 1 : 0;
  group.leaked = trace.leaked ? 1 : 0;
  group.ids = {trace.id};
  group.key = key;
  return group;
}

}  // namespace unclosed
