// A line of a log that is a JSON object, as loggers and log drivers write them: its message, what
// it says of an error and of a stack, and whose line it is. Fields are known by the names that
// common loggers give them; under other names a message is not found, and the line stays text.
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace unclosed {

struct JsonLine {
  std::string text;      // message, error and stack, a line each where they differ
  std::string stream;    // whose it is: unit and pid, container, "stderr"; "" when not told
  bool partial = false;  // a log driver cut a long line: the next object of the stream goes on
};

// nullopt: not a whole JSON object, or none with a message.
std::optional<JsonLine> read_json_line(std::string_view line);

}  // namespace unclosed
