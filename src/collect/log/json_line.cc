#include "collect/log/json_line.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace unclosed {
namespace {

using Json = nlohmann::json;

// What a field is for. The order of the messages is that of their worth: a driver's "log" wraps
// what the service wrote.
enum class Use : uint8_t { kMessage, kError, kStack, kStream };
struct Field {
  std::string_view name;  // "outer.inner" for a field of an object within
  Use use;
};
constexpr std::array kFields = {
    Field{"log", Use::kMessage},
    Field{"MESSAGE", Use::kMessage},
    Field{"message", Use::kMessage},
    Field{"msg", Use::kMessage},
    Field{"@message", Use::kMessage},
    Field{"@m", Use::kMessage},
    Field{"line", Use::kMessage},
    Field{"text", Use::kMessage},
    Field{"event", Use::kMessage},
    Field{"body", Use::kMessage},
    Field{"short_message", Use::kMessage},
    Field{"textPayload", Use::kMessage},
    Field{"jsonPayload.message", Use::kMessage},
    Field{"Message", Use::kMessage},
    Field{"Body", Use::kMessage},
    Field{"Output", Use::kMessage},  // of go test -json
    Field{"full_message", Use::kStack},
    Field{"error", Use::kError},
    Field{"err", Use::kError},
    Field{"exc_info", Use::kStack},
    Field{"exception", Use::kStack},
    Field{"error.message", Use::kError},
    Field{"err.message", Use::kError},
    Field{"exception.message", Use::kError},
    Field{"stack", Use::kStack},
    Field{"stacktrace", Use::kStack},
    Field{"stack_trace", Use::kStack},
    Field{"stackTrace", Use::kStack},
    Field{"error.stack_trace", Use::kStack},
    Field{"error.stack", Use::kStack},
    Field{"err.stack", Use::kStack},
    Field{"exception.stacktrace", Use::kStack},
    Field{"_SYSTEMD_UNIT", Use::kStream},
    Field{"SYSLOG_IDENTIFIER", Use::kStream},
    Field{"_PID", Use::kStream},
    Field{"CONTAINER_NAME", Use::kStream},
    Field{"container_name", Use::kStream},
    Field{"kubernetes.pod_name", Use::kStream},
    Field{"kubernetes.container_name", Use::kStream},
    Field{"stream", Use::kStream},
};

bool is_message(std::string_view name) {
  return std::any_of(kFields.begin(), kFields.end(), [&](const Field& one) {
    return one.use == Use::kMessage && one.name == name;
  });
}

bool holds_goroutine(std::string_view text) {
  const size_t at = text.starts_with("goroutine ") ? 0 : text.find("\ngoroutine ");
  return at != std::string_view::npos && text.find("]:\n", at) != std::string_view::npos;
}

// Takes the wanted fields from the events of the parser; nothing else is kept.
class Fields : public nlohmann::json_sax<Json> {
 public:
  std::array<std::string, kFields.size()> values;
  std::string dump;            // of goroutines, in a field of any other name
  bool empty_message = false;  // a message is there and says nothing: an empty line

  bool null() override { return plain(""); }
  bool boolean(bool) override { return plain(""); }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return number(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return plain(""); }
  bool string(string_t& value) override {
    empty_message |= value.empty() && x_depth == 1 && is_message(x_field);
    return plain(std::move(value));
  }
  bool binary(binary_t&) override { return true; }
  bool key(string_t& name) override {
    if (x_depth == 1) x_outer = name;
    if (x_depth <= 2) x_field = x_depth == 1 ? name : x_outer + "." + name;
    return true;
  }
  bool start_object(std::size_t) override {
    x_top_is_object |= x_depth == 0;
    ++x_depth;
    return x_top_is_object;
  }
  bool end_object() override { return --x_depth, true; }
  // journald writes a message that is not UTF-8 as a list of its bytes.
  bool start_array(std::size_t) override {
    ++x_depth;
    x_bytes = x_depth == 2 && x_field == "MESSAGE";
    return x_top_is_object;
  }
  bool end_array() override {
    --x_depth;
    if (x_bytes) plain(std::move(x_list));
    x_bytes = false;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool number(int64_t value) {
    if (x_bytes) {
      x_list += static_cast<char>(value & 0xff);
      return true;
    }
    return plain(x_field == "_PID" ? std::to_string(value) : std::string());
  }
  bool plain(std::string value) {
    if (value.empty() || x_depth > 2) return true;
    const auto found = std::find_if(kFields.begin(), kFields.end(),
                                    [&](const Field& one) { return one.name == x_field; });
    // Elements of a list stand at depth 2 under a name of depth 1.
    if (found != kFields.end()) {
      values[static_cast<size_t>(found - kFields.begin())] = std::move(value);
    } else if (dump.empty() && holds_goroutine(value)) {
      dump = std::move(value);
    }
    return true;
  }

  int x_depth = 0;
  bool x_top_is_object = false, x_bytes = false;
  std::string x_outer, x_field, x_list;
};

}  // namespace

std::optional<JsonLine> read_json_line(std::string_view line) {
  Fields fields;
  if (!Json::sax_parse(line.begin(), line.end(), &fields)) return std::nullopt;
  JsonLine out;
  bool message = false, driver = false;
  for (size_t i = 0; i < kFields.size(); ++i) {
    auto& value = fields.values[i];
    if (value.empty()) continue;
    switch (kFields[i].use) {
      case Use::kMessage:
        if (message) continue;
        message = true;
        driver = kFields[i].name == "log";
        out.text = std::move(value);
        break;
      case Use::kError:
      case Use::kStack:
        // Often one repeats the other.
        if (out.text.find(value) != std::string::npos) continue;
        if (!out.text.empty() && out.text.back() != '\n') out.text += '\n';
        out.text += value;
        break;
      case Use::kStream:
        out.stream += (out.stream.empty() ? "" : " ") + value;
        break;
    }
  }
  if (!fields.dump.empty()) {
    if (!out.text.empty() && out.text.back() != '\n') out.text += '\n';
    out.text += fields.dump;
  }
  if (out.text.empty() && !fields.empty_message) return std::nullopt;
  // Docker's driver keeps the end of the line; where it is missing, the line goes on.
  out.partial =
      driver && !out.text.empty() && out.text.back() != '\n' && out.text.size() >= (16U << 10);
  return out;
}

}  // namespace unclosed
