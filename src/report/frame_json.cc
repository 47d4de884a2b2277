#include "report/frame_json.h"

namespace unclosed {

nlohmann::ordered_json frame_json(const NamedFrame& frame) {
  using Json = nlohmann::ordered_json;
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? Json() : Json(text);
  };
  return {{"function", frame.function},
          {"file", text_or_null(frame.file)},
          {"line", frame.line == 0 ? Json() : Json(frame.line)},
          {"module", text_or_null(frame.module)},
          {"own", frame.own},
          {"inlined", frame.inlined}};
}

}  // namespace unclosed
