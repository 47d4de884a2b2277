#include "report/goroutines_json.h"

#include <cmath>

#include "report/frame_json.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json rounded(double value) { return std::round(value * 1000) / 1000; }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json frames_json(const std::vector<NamedFrame>& frames) {
  Json list = Json::array();
  for (const NamedFrame& frame : frames) list.push_back(frame_json(frame));
  return list;
}

Json frame_at(const std::vector<NamedFrame>& stack, const std::optional<size_t>& index) {
  return index ? frame_json(stack[*index]) : Json();
}

Json parked_json(const GoroutineCapture& capture) {
  Json json = Json::object();
  for (size_t i = 0; i < kParkedKinds; ++i) {
    const auto parked = static_cast<Parked>(i);
    uint64_t count = 0;
    for (const GoroutineGroup& group : capture.groups)
      if (parked_in(group) == parked) count += group.count;
    if (count > 0) json[std::string(to_string(parked))] = count;
  }
  return json;
}

Json allocation_json(const AllocationSite& site) {
  const auto own = own_frame(site.stack);
  return {{"in_use_bytes", site.in_use_bytes},
          {"in_use_objects", site.in_use_objects},
          {"allocated_bytes", site.allocated_bytes},
          {"allocated_objects", site.allocated_objects},
          {"growth_bytes", or_null(site.growth_bytes)},
          {"own", frame_at(site.stack, own)},
          {"stack", frames_json(site.stack)}};
}

Json contention_json(const ContentionSite& site) {
  const auto own = own_frame(site.stack);
  return {{"contentions", site.contentions},
          {"delay_seconds", rounded(site.delay_seconds)},
          {"growth_seconds", site.growth_seconds ? rounded(*site.growth_seconds) : Json()},
          {"own", frame_at(site.stack, own)},
          {"stack", frames_json(site.stack)}};
}

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Item by item: a tree of all frames of ten thousand groups would take a gigabyte.
template <class List, class Convert>
void add_list(const char* name, const List& list, Convert convert, std::string& out) {
  out.back() = ',';
  out.append("\"").append(name).append("\":[");
  for (const auto& one : list) {
    out += &one == list.data() ? "\n" : ",\n";
    out += dumped(convert(one));
  }
  out += "]}";
}

}  // namespace

Json group_json(const GoroutineGroup& group) {
  Json json = {{"count", group.count},
               {"state", text_or_null(group.state)},
               {"parked_in", to_string(parked_in(group))},
               {"wait_seconds", Json()},
               {"blocked_at", frame_at(group.stack, blocked_at(group))},
               {"own", frame_at(group.stack, own_frame(group))},
               {"created_by", group.created_by ? frame_json(*group.created_by) : Json()},
               {"growth", or_null(group.growth)},
               {"counts", group.course},
               {"parent", group.parent == 0 ? Json() : Json(group.parent)},
               {"ids", group.ids},
               {"locked_to_thread", group.locked_to_thread},
               {"leaked", group.leaked},
               {"truncated", Json()},
               {"stack", frames_json(group.stack)},
               {"ancestors", Json::array()}};
  if (group.wait)
    json["wait_seconds"] = {{"min", rounded(group.wait->min)}, {"max", rounded(group.wait->max)}};
  if (group.truncated != Truncation::kNone) json["truncated"] = to_string(group.truncated);
  for (const auto& ancestor : group.ancestors) json["ancestors"].push_back(frames_json(ancestor));
  return json;
}

std::string goroutines_json(const GoroutineCapture& capture) {
  std::string out = dumped(
      {{"schema", "unclosed.goroutines/1"},
       {"source", capture.source},
       {"rung", capture.rung},
       {"go", text_or_null(capture.go)},
       // No process is without one.
       {"goroutines", capture.goroutines == 0 ? Json() : Json(capture.goroutines)},
       {"growth", or_null(capture.growth)},
       {"seconds_between", capture.seconds_between ? rounded(*capture.seconds_between) : Json()},
       {"damaged_at", or_null(capture.damaged_at)},
       {"parked_in", parked_json(capture)},
       {"in_no_group", capture.others},
       {"notes", capture.notes}});
  add_list("groups", capture.groups, group_json, out);
  add_list("leaked", capture.leaked, group_json, out);
  add_list("allocations", capture.allocations, allocation_json, out);
  add_list("contentions", capture.contentions, contention_json, out);
  return out + "\n";
}

}  // namespace unclosed
