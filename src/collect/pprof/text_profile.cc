#include "collect/pprof/text_profile.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "collect/pprof/sample_table.h"
#include "collect/pprof/trace.h"

namespace unclosed {
namespace {

constexpr std::string_view kTotal = " profile: total ", kHeap = "heap profile: ",
                           kContention = "--- contention:", kMutex = "--- mutex:";
constexpr size_t kMostFrames = 1024, kMostName = 4096;

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

// The next line of `rest`, which loses it.
std::string_view take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view take_word(std::string_view& rest) {
  const size_t start = std::min(rest.find_first_not_of(" \t"), rest.size());
  rest.remove_prefix(start);
  const size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

std::optional<int64_t> number(std::string_view word) {
  int64_t value = 0;
  const char* end = word.data() + word.size();
  const auto [after, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || after != end) return std::nullopt;
  return value;
}

// "3", "4144", "9", "8240" of "3: 4144 [9: 8240] @"; of the shorter forms as many as there are.
// Empty: the line is no head of a record.
std::vector<int64_t> record_head(std::string_view line) {
  std::vector<int64_t> values;
  const size_t at = line.find('@');
  if (at == std::string_view::npos || line.empty() || line.front() < '0' || line.front() > '9')
    return values;
  std::string_view rest = line.substr(0, at);
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    while (!word.empty() && (word.front() == '[')) word.remove_prefix(1);
    while (!word.empty() && (word.back() == ':' || word.back() == ']')) word.remove_suffix(1);
    const auto value = number(word);
    if (!value || values.size() == 4) return {};
    values.push_back(*value);
  }
  return values;
}

// "#	0x6718a8	main.produce+0x28	/src/main.go:24": function and place; both empty
// where only the address is told.
struct FrameLine {
  std::string_view address, function, place;
};
std::optional<FrameLine> frame_line(std::string_view line) {
  if (!line.starts_with("#\t0x")) return std::nullopt;
  line.remove_prefix(1);
  FrameLine frame;
  frame.address = take_word(line);
  frame.function = take_word(line);
  frame.function = frame.function.substr(0, frame.function.rfind("+0x"));
  const size_t start = line.find_first_not_of(" \t");
  if (start != std::string_view::npos) frame.place = line.substr(start);
  return frame;
}

NamedFrame named(const FrameLine& line) {
  NamedFrame frame;
  if (line.function.empty()) {
    frame.function = fmt::format("[unknown]+{}", line.address.substr(0, 32));
    return frame;
  }
  frame.function = line.function.substr(0, kMostName);
  const TracePlace place = split_place(line.place.substr(0, kMostName));
  frame.file = place.file;
  frame.line = place.line;
  return frame;
}

// What a sample of `bytes` in `objects` stands for, when one in `rate` bytes is sampled: an object
// of that size is met with probability 1 - exp(-size/rate).
void scale(int64_t& objects, int64_t& bytes, double rate) {
  if (objects <= 0 || bytes <= 0 || rate <= 1) return;
  const double each = static_cast<double>(bytes) / static_cast<double>(objects);
  const double times = 1 / (1 - std::exp(-each / rate));
  objects = static_cast<int64_t>(std::min(9e18, static_cast<double>(objects) * times));
  bytes = static_cast<int64_t>(std::min(9e18, static_cast<double>(bytes) * times));
}

class Reader {
 public:
  explicit Reader(std::string_view text) : x_text(text) {}

  Result<Captured> read() {
    Captured captured;
    captured.form = "text";
    if (!read_head(captured))
      return Error{ErrorKind::kCorrupt, "the first line is not that of a profile", "UC-E020"};
    read_records(captured.kind);
    x_table.fill(
        captured.kind, [this](uint64_t at) { return stack_at(at); }, captured);
    const auto counted = static_cast<uint64_t>(std::max<int64_t>(0, x_table.total()[0]));
    if (captured.kind == ProfileKind::kGoroutines && x_said > counted) {
      captured.capture.goroutines = x_said;
      captured.capture.others += x_said - counted;
      if (!x_damaged_at) x_damaged_at = x_text.size();
    }
    captured.capture.damaged_at = x_damaged_at;
    return captured;
  }

 private:
  bool read_head(Captured& captured) {
    x_rest = x_text;
    const std::string_view line = take_line(x_rest);
    if (const size_t at = line.find(kTotal); at != std::string_view::npos) {
      captured.kind = ProfileKind::kGoroutines;
      captured.name = line.substr(0, at);
      x_said = static_cast<uint64_t>(number(line.substr(at + kTotal.size())).value_or(0));
      return captured.name == "goroutine" || captured.name == "goroutineleak";
    }
    if (line.starts_with(kHeap)) {
      captured.kind = ProfileKind::kHeap;
      captured.name = "heap";
      const size_t rate = line.find("heap/");
      if (rate != std::string_view::npos)
        x_rate = static_cast<double>(number(line.substr(rate + 5)).value_or(0)) / 2;
      return true;
    }
    captured.kind = ProfileKind::kContention;
    captured.name = line == kMutex ? "mutex" : "block";
    return line == kMutex || line == kContention;
  }

  size_t offset() const { return x_text.size() - x_rest.size(); }

  void read_records(ProfileKind kind) {
    while (!x_rest.empty()) {
      const size_t at = offset();
      const bool ended = x_rest.find('\n') != std::string_view::npos;
      const std::string_view line = take_line(x_rest);
      if (line.empty() || line.starts_with('#')) continue;
      if (line.starts_with("cycles/second=")) {
        x_hertz = static_cast<double>(number(line.substr(14)).value_or(0));
        continue;
      }
      if (line.starts_with("sampling period=")) continue;  // the runtime has scaled by it already
      const auto values = record_head(line);
      if (values.empty() || !ended) {
        if (!x_damaged_at) x_damaged_at = at;
        continue;
      }
      x_table.add(read_stack(line), scaled(kind, values), at);
    }
  }

  // The key of the stack under a record's head; the next record is next.
  uint64_t read_stack(std::string_view head) {
    uint64_t key = 0;
    bool names = false;
    while (x_rest.starts_with('#')) {
      const auto frame = frame_line(take_line(x_rest));
      if (!frame) continue;
      names = true;
      key = mix(mix(key, frame->function.empty() ? frame->address : frame->function), frame->place);
    }
    return names ? key : mix(0, head.substr(head.find('@')));
  }

  SampleTable::Values scaled(ProfileKind kind, const std::vector<int64_t>& values) const {
    SampleTable::Values result{};
    switch (kind) {
      case ProfileKind::kGoroutines:
        result[0] = values[0];
        break;
      case ProfileKind::kHeap: {
        if (values.size() < 4) break;
        result = {values[2], values[3], values[0], values[1]};
        scale(result[0], result[1], x_rate);
        scale(result[2], result[3], x_rate);
        break;
      }
      case ProfileKind::kContention:
        if (values.size() < 2) break;
        result[0] = values[1];
        result[1] = x_hertz > 0 ? static_cast<int64_t>(std::min(
                                      9e18, static_cast<double>(values[0]) / x_hertz * 1e9))
                                : 0;
        break;
    }
    return result;
  }

  std::vector<NamedFrame> stack_at(uint64_t at) const {
    std::string_view rest = x_text.substr(at);
    std::string_view addresses = take_line(rest);
    std::vector<NamedFrame> stack;
    while (rest.starts_with('#') && stack.size() < kMostFrames) {
      if (const auto frame = frame_line(take_line(rest))) stack.push_back(named(*frame));
    }
    if (!stack.empty()) return stack;
    addresses.remove_prefix(addresses.find('@') + 1);
    for (auto word = take_word(addresses); !word.empty() && stack.size() < kMostFrames;
         word = take_word(addresses))
      stack.push_back(named({word, {}, {}}));
    return stack;
  }

  std::string_view x_text, x_rest;
  SampleTable x_table;
  uint64_t x_said = 0;
  double x_rate = 0, x_hertz = 0;
  std::optional<uint64_t> x_damaged_at;
};

}  // namespace

bool is_text_profile(std::string_view text) {
  const std::string_view line = first_line(text.substr(0, 256));
  return line.find(kTotal) != std::string_view::npos || line.starts_with(kHeap) ||
         line.starts_with(kContention) || line.starts_with(kMutex);
}

Result<Captured> read_text_profile(std::string_view text) { return Reader(text).read(); }

}  // namespace unclosed
