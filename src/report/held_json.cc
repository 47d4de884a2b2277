#include "report/held_json.h"

#include <cmath>

#include "report/frame_json.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json holder_json(const Holder& holder) {
  Json chain = Json::array();
  for (const HeldStep& step : holder.chain) {
    chain.push_back({{"type", text_or_null(step.type)},
                     {"size", step.size},
                     {"field", text_or_null(step.field)},
                     {"inner", step.inner}});
  }
  return {{"kind", to_string(holder.kind)},
          {"name", text_or_null(holder.name)},
          {"type", text_or_null(holder.type)},
          {"own", holder.own},
          {"goroutine", holder.goroutine == 0 ? Json() : Json(holder.goroutine)},
          {"alike", holder.alike},
          {"deferred", holder.deferred},
          {"frame", holder.frame ? frame_json(*holder.frame) : Json()},
          {"own_frame", holder.own_frame ? frame_json(*holder.own_frame) : Json()},
          {"used_by", holder.used_by},
          {"certainty", to_string(holder.certainty)},
          {"chain", std::move(chain)}};
}

}  // namespace

Json held_json(const Held& held) {
  Json others = Json::array();
  for (const Holder& other : held.others) others.push_back(holder_json(other));
  return {{"fd", held.fd},
          {"holder", holder_json(held.holder)},
          {"others", std::move(others)},
          {"in_free_list", !held.free_list.empty()},
          {"free_list", text_or_null(held.free_list)},
          {"why", text_or_null(held.why)}};
}

Json search_json(const HeldReport& report) {
  return {{"complete", report.complete},
          {"objects", report.objects},
          {"bytes_read", report.bytes_read},
          {"passes", report.passes},
          {"changed", report.changed},
          {"left_out", report.left_out},
          {"seconds", std::round(report.seconds * 1000) / 1000}};
}

}  // namespace unclosed
