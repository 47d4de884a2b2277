#include "report/owner_json.h"

#include <fmt/format.h>

#include <cmath>

#include "report/frame_json.h"
#include "report/printable.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json rounded(const std::optional<double>& value) {
  return value ? Json(std::round(*value * 1000) / 1000) : Json();
}
Json frame_or_null(const std::optional<NamedFrame>& frame) {
  return frame ? frame_json(*frame) : Json();
}

Json goroutine_json(uint64_t id, const std::optional<GoroutineNow>& now) {
  Json json = {{"goroutine", id}, {"exists", now.has_value()}};
  json["state"] = now ? Json(now->state) : Json();
  json["wait_seconds"] = now ? rounded(now->wait_seconds) : Json();
  json["at"] = now ? frame_or_null(now->at) : Json();
  return json;
}

Json holder_json(const Owner& owner) {
  if (!owner.held) return {};
  const Holder& holder = owner.held->holder;
  Json json = {{"kind", to_string(holder.kind)}, {"certainty", to_string(holder.certainty)}};
  json["variable"] = holder.name.empty() ? Json() : Json(holder.name);
  json["goroutine"] =
      holder.goroutine == 0 ? Json() : goroutine_json(holder.goroutine, owner.holder_now);
  json["alike"] = holder.alike;
  json["frame"] = frame_or_null(holder.own_frame ? holder.own_frame : holder.frame);
  json["own"] = holder.own;
  return json;
}

std::string place(const NamedFrame& frame) {
  std::string text = printable(frame.function);
  if (!frame.file.empty())
    text += fmt::format(" {}:{}", printable(base_name(frame.file)), frame.line);
  return text;
}

std::string goroutine_words(uint64_t id, const std::optional<GoroutineNow>& now) {
  if (!now) return fmt::format("goroutine {}, which has ended", id);
  std::string text = fmt::format("goroutine {}", id);
  if (!now->state.empty()) text += fmt::format(", in {}", printable(now->state));
  if (now->wait_seconds) text += fmt::format(" for over {}", duration_words(*now->wait_seconds));
  if (now->at) text += " at " + place(*now->at);
  return text;
}

std::string holder_words(const Owner& owner) {
  const Holder& holder = owner.held->holder;
  switch (holder.kind) {
    case HolderKind::kVariable:
      return holder.name.empty() ? "held by a package variable"
                                 : "held by " + printable(holder.name);
    case HolderKind::kGoroutine:
      return "held by " + goroutine_words(holder.goroutine, owner.holder_now);
    case HolderKind::kRuntime:
      return "held by the runtime alone";
    case HolderKind::kGarbage:
      return "held by nobody: a collection closes it";
    case HolderKind::kUnknown:
      return "";
  }
  return "";
}

}  // namespace

Json waiters_json(const std::vector<DescriptorWaiter>& waiters) {
  Json json = Json::array();
  for (const auto& one : waiters) {
    json.push_back({{"goroutine", one.goroutine},
                    {"for", to_string(one.what)},
                    {"wait_seconds", rounded(one.wait_seconds)},
                    {"at", frame_or_null(one.at)}});
  }
  return json;
}

Json owner_json(const Owner* owner) {
  if (owner == nullptr) return {};
  Json json;
  json["user"] = owner->user ? goroutine_json(*owner->user, owner->user_now) : Json();
  json["waiters"] = waiters_json(owner->waiters);
  json["held_by"] = holder_json(*owner);
  json["in_free_list"] =
      owner->held && !owner->held->free_list.empty() ? Json(owner->held->free_list) : Json();
  json["request"] = nullptr;
  if (owner->request) {
    json["request"] = {
        {"role", owner->request->role == HttpRequest::Role::kServing ? "serving" : "awaiting"},
        {"method", owner->request->method},
        {"path", owner->request->path}};
  }
  return json;
}

std::vector<std::string> owner_words(const Owner& owner) {
  std::vector<std::string> words;
  if (owner.user) words.push_back("used by " + goroutine_words(*owner.user, owner.user_now));
  for (const auto& one : owner.waiters) {
    words.push_back(fmt::format("goroutine {} waits on it ({}){}", one.goroutine,
                                to_string(one.what), one.at ? " at " + place(*one.at) : ""));
  }
  if (owner.held && !owner.held->free_list.empty()) {
    words.push_back("in the free list " + printable(owner.held->free_list));
  } else if (owner.held && !keeps_a_pool(owner)) {
    const bool same = owner.user && owner.held->holder.goroutine == *owner.user;
    if (auto text = holder_words(owner); !text.empty() && !same) words.push_back(std::move(text));
  }
  if (owner.request) {
    words.push_back(fmt::format(
        "{} {} {}", owner.request->role == HttpRequest::Role::kServing ? "serves" : "awaits",
        printable(owner.request->method), printable(owner.request->path)));
  }
  return words;
}

}  // namespace unclosed
