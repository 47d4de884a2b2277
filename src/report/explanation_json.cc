#include "report/explanation_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/frame_json.h"
#include "report/goroutines_json.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

// Counters are whole numbers, though sources write them as others.
Json number(const std::optional<double>& value) {
  if (!value) return Json();
  constexpr double kExact = 9e15;
  if (*value == std::floor(*value) && std::abs(*value) < kExact)
    return static_cast<int64_t>(*value);
  return std::round(*value * 1000) / 1000;
}

Json frames_json(const std::vector<NamedFrame>& frames) {
  Json list = Json::array();
  for (const NamedFrame& frame : frames) list.push_back(frame_json(frame));
  return list;
}

Json own_json(const std::vector<NamedFrame>& stack) {
  const auto own =
      std::find_if(stack.begin(), stack.end(), [](const NamedFrame& frame) { return frame.own; });
  return own == stack.end() ? Json() : frame_json(*own);
}

Json died_json(const Death& died) {
  const auto own = own_frame(died);
  return {{"message", died.message},
          {"goroutine", died.goroutine == 0 ? Json() : Json(died.goroutine)},
          {"own", own ? frame_json(*own) : Json()},
          {"how", died.how},
          {"asked", died.asked},
          {"state", text_or_null(died.state)},
          {"source", died.source},
          {"line", died.line},
          {"created_by", died.created_by ? frame_json(*died.created_by) : Json()},
          {"stack", frames_json(died.stack)}};
}

Json error_json(const LogError& error) {
  return {{"kind", to_string(error.kind)},
          {"count", error.count},
          {"first_line", error.first_line},
          {"text", error.text},
          {"last_line", error.last_line},
          {"source", error.source},
          {"from", error.from},
          {"meaning", meaning(error.kind)}};
}

Json sample_json(const PoolSample& sample) {
  return {{"name", text_or_null(sample.name)},
          {"format", sample.format},
          {"source", text_or_null(sample.source)},
          {"max", number(sample.max)},
          {"open", number(sample.open)},
          {"in_use", number(sample.in_use)},
          {"idle", number(sample.idle)},
          // Some sources tell only how many had to wait since the start.
          {"waiting", number(sample.waiting ? sample.waiting : sample.wait_count)},
          {"waiting_is", sample.waiting      ? Json("now")
                         : sample.wait_count ? Json("total")
                                             : Json()},
          {"wait_count", number(sample.wait_count)},
          {"wait_seconds", number(sample.wait_seconds)},
          {"uses", number(sample.uses)},
          {"use_seconds", number(sample.use_seconds)},
          {"timeouts", number(sample.timeouts)}};
}

Json pool_json(const PoolState& pool) {
  Json json = sample_json(pool.now);
  json["exhausted"] = pool.exhausted;
  json["diagnosis"] = to_string(pool.diagnosis);
  json["was"] = pool.was ? sample_json(*pool.was) : Json();
  return json;
}

Json hold_json(const ReportedHold& hold) {
  return {{"reporter", hold.reporter},           {"pool", text_or_null(hold.pool)},
          {"thread", text_or_null(hold.thread)}, {"count", hold.count},
          {"taken_back", hold.taken_back},       {"source", hold.source},
          {"first_line", hold.first_line},       {"own", own_json(hold.stack)},
          {"stack", frames_json(hold.stack)},    {"doing", frames_json(hold.doing)}};
}

Json blame_json(const Blame& blame) {
  return {{"role", to_string(blame.role)},
          {"function", blame.site.function},
          {"file", text_or_null(blame.site.file)},
          {"line", blame.site.line},
          {"rule", blame.rule},
          {"confidence", std::round(blame.confidence * 1000) / 1000}};
}

template <class List, class Convert>
Json list_of(const List& list, Convert convert) {
  Json json = Json::array();
  for (const auto& one : list) json.push_back(convert(one));
  return json;
}

}  // namespace

std::string explanation_json(const Explanation& explanation,
                             const ExplanationJsonOptions& options) {
  Json json;
  json["schema"] = "unclosed.explanation/1";
  json["sources"] = explanation.sources;
  json["lines"] = explanation.lines;
  json["died"] = explanation.died ? died_json(*explanation.died) : Json();
  json["deaths"] = explanation.deaths;
  json["errors"] = list_of(explanation.errors, error_json);
  json["pool"] = explanation.pool ? pool_json(*explanation.pool) : Json();
  json["pools"] = list_of(explanation.pools, sample_json);
  const bool trouble = !explanation.steps.empty();
  json["diagnosis"] = trouble ? Json(to_string(explanation.diagnosis)) : Json();
  json["diagnosis_reason"] = text_or_null(explanation.diagnosis_reason);
  json["steps"] = list_of(explanation.steps, [](const HuntStep& step) -> Json {
    return {{"step", to_string(step.stage)},
            {"says", step.says},
            {"evidence", step.evidence},
            {"missing", step.missing}};
  });
  json["holds"] = list_of(explanation.holds, hold_json);
  json["goroutines"] = explanation.goroutines ? Json(explanation.goroutines->goroutines) : Json();
  json["groups"] = Json::array();
  json["groups_omitted"] = 0;
  if (explanation.goroutines) {
    const auto& groups = explanation.goroutines->groups;
    const size_t shown = std::min(groups.size(), options.most_groups);
    for (size_t i = 0; i < shown; ++i) json["groups"].push_back(group_json(groups[i]));
    json["groups_omitted"] = groups.size() - shown;
  }
  json["blame"] = explanation.blame ? blame_json(*explanation.blame) : Json();
  json["blame_reason"] = text_or_null(explanation.no_blame_reason);
  json["notes"] = explanation.notes;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace unclosed
