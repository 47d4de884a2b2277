// LineCleaner: lines of a service as it wrote them, out of lines of a log: without the prefixes of
// docker compose, journald, syslog, kubectl and others (line_prefix), without colours and CR; out
// of JSON lines, also where one string holds many lines. Prefixes tell whose line it is: lines of
// different writers have different streams. Without a prefix all lines are of one stream.
// One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace unclosed {

struct CleanLine {
  uint32_t stream = 0;  // the same number for the same writer
  uint64_t number = 0;  // of the line of the log, from 1
  std::string_view text;
  std::string_view json;  // the JSON object that the text stood in; "" for other lines
  // A time of the service's own, or an indent, stood before it: what looks like the runtime's words
  // may be the service's.
  bool doubtful = false;
};

class LineCleaner {
 public:
  using Sink = std::function<void(const CleanLine&)>;
  explicit LineCleaner(Sink sink) : x_sink(std::move(sink)) {}

  // One line without its end.
  void line(std::string_view raw, uint64_t number);
  // Gives what still waits for its end.
  void finish();
  const std::string& name_of(uint32_t stream) const;
  bool too_many_streams() const { return x_too_many; }

 private:
  void clean(std::string_view text, const std::string& stream, std::string_view json, int depth);
  void give(std::string_view text, const std::string& stream, std::string_view json);
  void hold(std::string_view text, const std::string& stream);
  std::string whole_of(std::string_view last, const std::string& stream);
  uint32_t number_of(const std::string& stream);

  Sink x_sink;
  uint64_t x_number = 0;
  bool x_doubtful = false;  // of the line that is being cleaned
  std::unordered_map<std::string, uint32_t> x_streams;
  std::unordered_map<std::string, std::string> x_begun;  // lines that a driver cut, by stream
  bool x_too_many = false;
};

// `text` without escape sequences of terminals.
std::string without_colours(std::string_view text);

}  // namespace unclosed
