#include "report/report_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "report/frame_json.h"
#include "report/owner_json.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(std::string_view text) { return text.empty() ? Json() : Json(text); }

// Milliseconds are as fine as any of the clocks behind a report.
Json rounded(double value) { return std::round(value * 1000) / 1000; }
Json rounded(const std::optional<double>& value) { return value ? rounded(*value) : Json(); }

Json site_json(const Site& site) {
  Json json = {{"function", site.function}, {"file", text_or_null(site.file)}};
  json["line"] = site.line == 0 ? Json() : Json(site.line);
  return json;
}
Json site_json(const std::optional<Site>& site) { return site ? site_json(*site) : Json(); }

Json counted_sites(const std::vector<SiteCount>& sites) {
  Json json = Json::array();
  for (const auto& [site, count] : sites) {
    json.push_back(site_json(site));
    json.back()["count"] = count;
  }
  return json;
}

std::string_view side_word(Role role) {
  switch (role) {
    case Role::kUnknown:
      return "";
    case Role::kClient:
      return "client";
    case Role::kServer:
      return "server";
    case Role::kListener:
      return "listener";
  }
  return "";
}

std::string_view errno_name(int value) {
  const char* name = ::strerrorname_np(value);
  return name == nullptr ? "" : name;
}

// Stacks by the index at which they stand in the document: each once, in the order of their use.
class StackTable {
 public:
  explicit StackTable(const StackBook& book) : x_book(book) {}

  // null for a stack that was not taken, or was lost.
  Json index_of(StackId id) {
    const auto found = x_book.find(id);
    if (id == kNoStack || found == x_book.end()) return {};
    const auto [place, is_new] = x_indices.try_emplace(id, x_order.size());
    if (is_new) x_order.push_back(&found->second);
    return place->second;
  }

  Json frames() const {
    Json stacks = Json::array();
    for (const auto* stack : x_order) {
      Json frames = Json::array();
      for (const auto& frame : stack->frames) frames.push_back(frame_json(frame));
      stacks.push_back(std::move(frames));
    }
    return stacks;
  }

  // Beside each stack: why its outer frames are missing, or null when it is whole.
  Json truncations() const {
    Json reasons = Json::array();
    for (const auto* stack : x_order) {
      const bool whole = stack->truncated == Truncation::kNone;
      reasons.push_back(whole ? Json() : Json(to_string(stack->truncated)));
    }
    return reasons;
  }

 private:
  const StackBook& x_book;
  std::unordered_map<StackId, size_t> x_indices;
  std::vector<const NamedStack*> x_order;
};

Json connection_json(const FoundConnection& connection, StackTable& stacks) {
  Json json;
  json["pid"] = connection.descriptor.process.pid;
  json["fd"] = connection.descriptor.fd;
  for (const auto& other : connection.others) {
    json["other_descriptors"].push_back({{"pid", other.process.pid}, {"fd", other.fd}});
  }
  json["state"] = text_or_null(to_string(connection.state));
  json["local"] = text_or_null(connection.local);
  json["peer"] = text_or_null(connection.peer);
  json["before_attach"] = connection.before_attach;
  json["age_seconds"] = rounded(connection.age_seconds);
  json["idle_seconds"] = rounded(connection.idle_seconds);
  json["recv_queue"] = connection.recv_queue;
  json["send_queue"] = connection.send_queue;
  const auto& actor = connection.last_actor;
  json["thread"] = actor.thread == 0 ? Json() : Json(actor.thread);
  json["goroutine"] = actor.goroutine == 0 ? Json() : Json(actor.goroutine);
  json["stacks"] = {{"opened", stacks.index_of(connection.opened)},
                    {"used", stacks.index_of(connection.used)},
                    {"borrowed", stacks.index_of(connection.borrowed)},
                    {"received", stacks.index_of(connection.received)},
                    {"told", stacks.index_of(connection.told)},
                    {"duplicated", stacks.index_of(connection.duplicated)}};
  json["owner"] = owner_json(connection.owner.get());
  return json;
}

void put_blame(Json& json, const Finding& finding) {
  if (!finding.blame) {
    json["blame"] = nullptr;
    json["blame_reason"] = finding.no_blame_reason;
    return;
  }
  const auto& blame = *finding.blame;
  Json out = {{"role", to_string(blame.role)}};
  out.update(site_json(blame.site));
  out["rule"] = blame.rule;
  out["confidence"] = rounded(blame.confidence);
  json["blame"] = std::move(out);
}

Json evidence_json(const std::vector<Evidence>& evidence) {
  Json json = Json::array();
  for (const auto& one : evidence) {
    json.push_back({{"kind", one.kind},
                    {"for", one.in_favour},
                    {"conclusive", one.conclusive},
                    {"text", one.text}});
  }
  return json;
}

Json finding_json(const Finding& finding, StackTable& stacks, const JsonOptions& options) {
  Json json;
  json["fingerprint"] = finding.fingerprint;
  json["verdict"] = to_string(finding.verdict);
  json["kind"] = to_string(finding.kind);
  json["role"] = text_or_null(side_word(finding.role));
  json["peer"] = text_or_null(finding.peer);
  json["count"] = finding.count;
  json["descriptors"] = finding.descriptors;
  json["older_matched"] = finding.older_matched;
  json["healed"] = finding.healed;
  json["growth_per_minute"] = rounded(finding.growth_per_minute);
  put_blame(json, finding);
  json["sites"] = {{"opened", site_json(finding.opened)},
                   {"used", site_json(finding.used)},
                   {"borrowed", site_json(finding.borrowed)},
                   {"told", site_json(finding.told)},
                   {"held", site_json(finding.held)},
                   {"duplicated", site_json(finding.duplicated)},
                   {"received", site_json(finding.received)}};
  json["sites_all"] = {{"opened", counted_sites(finding.all_opened)},
                       {"used", counted_sites(finding.all_used)}};
  if (finding.normally_closed_at) {
    json["normally_closed_at"] = site_json(finding.normally_closed_at->site);
    json["normally_closed_at"]["how"] = to_string(finding.normally_closed_at->how);
  } else {
    json["normally_closed_at"] = nullptr;
  }
  json["siblings_closed"] = finding.siblings_closed;
  json["diagnosis"] = to_string(finding.diagnosis);
  json["states"] = Json::object();
  for (const auto& [state, count] : finding.states) {
    if (state != TcpState::kNone) json["states"][std::string(to_string(state))] = count;
  }
  json["evidence"] = evidence_json(finding.evidence);
  const size_t listed = std::min(finding.connections.size(), options.most_connections);
  // Groups come cut already, and one connection may stand for several.
  const size_t all = finding.copies > 0 ? finding.connections.size() : finding.count;
  json["connections_omitted"] = std::max<size_t>(all, listed) - listed;
  json["connections"] = Json::array();
  for (size_t i = 0; i < listed; ++i) {
    json["connections"].push_back(connection_json(finding.connections[i], stacks));
  }
  return json;
}

Json findings_json(const std::vector<Finding>& findings, StackTable& stacks,
                   const JsonOptions& options) {
  Json json = Json::array();
  for (const auto& finding : findings) json.push_back(finding_json(finding, stacks, options));
  return json;
}

Json coverage_json(const Coverage& coverage) {
  Json json;
  json["open"] = coverage.open;
  json["traced"] = coverage.traced;
  json["before_attach"] = coverage.before_attach;
  json["events_lost"] = coverage.events_lost;
  json["stacks_truncated"] = coverage.stacks_truncated;
  json["stacks_sampled_out"] = coverage.stacks_sampled_out;
  json["drift"] = coverage.drift;
  json["probes"] = Json::array();
  for (const auto& probe : coverage.probes) {
    json["probes"].push_back({{"function", probe.function}, {"why", probe.why}});
  }
  json["notes"] = coverage.notes;
  json["opened"] = coverage.opened;
  json["closed"] = coverage.closed;
  json["open_at_end"] = coverage.open_at_end ? Json(*coverage.open_at_end) : Json();
  return json;
}

Json cost_json(const Cost& cost) {
  return {{"attach_seconds", rounded(cost.attach_seconds)},
          {"stacks", cost.stacks},
          {"stack_seconds", rounded(cost.stack_seconds)},
          {"kernel_bytes", cost.kernel_bytes},
          {"resident_bytes", cost.resident_bytes}};
}

Json limits_json(const std::vector<Limit>& limits) {
  Json json = Json::array();
  for (const auto& limit : limits) {
    Json one = {{"name", limit.use.name}, {"pid", limit.use.process.pid}, {"used", limit.use.used}};
    one["max"] = limit.use.max ? Json(*limit.use.max) : Json();
    one["exhausted_in_seconds"] = rounded(limit.exhausted_in_seconds);
    one["diagnosis"] = to_string(limit.diagnosis);
    if (!limit.use.peer.empty()) one["peer"] = limit.use.peer;
    if (limit.use.name == "pool") {
      one["waits"] = limit.use.waits;
      one["idle"] = limit.use.idle;
      one["pools"] = limit.use.pools;
    }
    if (limit.use.name == "local-ports") {
      one["local"] = limit.use.local;
      one["time_wait"] = limit.use.time_wait;
    }
    json.push_back(std::move(one));
  }
  return json;
}

Json failures_json(const std::vector<FailureCount>& failures) {
  Json json = Json::array();
  for (const auto& failure : failures) {
    json.push_back({{"attempt", to_string(failure.attempt)},
                    {"errno", text_or_null(errno_name(failure.errno_value))},
                    {"site", site_json(failure.site)},
                    {"peer", text_or_null(failure.peer)},
                    {"count", failure.count}});
  }
  return json;
}

Json taken_back_json(const Report& report) {
  Json json = Json::array();
  for (const auto& taken : report.judgement.taken_back) {
    Json one = {{"fingerprint", taken.fingerprint},
                {"was", to_string(Verdict::kLeaking)},
                {"verdict", to_string(taken.now)},
                {"said", report.clock.format(taken.said_at)},
                {"kind", to_string(taken.kind)},
                {"peer", text_or_null(taken.peer)},
                {"count", taken.count},
                {"used_again", taken.used_again},
                {"closed", taken.closed}};
    one["blame"] = taken.blame ? site_json(taken.blame->site) : Json();
    json.push_back(std::move(one));
  }
  return json;
}

Json left_open_json(const std::vector<LeftOpen>& all) {
  Json json = Json::array();
  for (const auto& place : all) {
    Json one = {{"kind", to_string(place.kind)},
                {"role", text_or_null(side_word(place.role))},
                {"count", place.count},
                {"opened_by", to_string(place.by)},
                {"duplicated", place.duplicated},
                {"received", place.received},
                {"frames", Json::array()}};
    for (const auto& site : place.frames) one["frames"].push_back(site_json(site));
    json.push_back(std::move(one));
  }
  return json;
}

void put_processes(Json& json, const Report& report) {
  json["processes"] = Json::array();
  for (const auto& process : report.processes) {
    json["processes"].push_back({{"pid", process.id.pid},
                                 {"started", report.clock.format(process.started)},
                                 {"exe", process.exe},
                                 {"command", process.command},
                                 {"runtime", text_or_null(process.runtime)}});
  }
  json["ended_children"] = report.ended_children;
  json["process"] = nullptr;
  if (report.processes.empty()) return;
  const auto& first = report.processes.front();
  json["process"] = {{"pid", first.id.pid},
                     {"exe", first.exe},
                     {"command", first.command},
                     {"runtime", text_or_null(first.runtime)}};
}

}  // namespace

std::string report_json(const Report& report, const JsonOptions& options) {
  StackTable stacks(report.stacks);
  Json json;
  json["schema"] = "unclosed.report/1";
  put_processes(json, report);
  json["window"] = {{"started", report.clock.format(report.started)},
                    {"seconds", rounded(seconds(report.ended - report.started))},
                    {"interrupted", report.interrupted}};
  json["rung"] = report.rung;
  json["coverage"] = coverage_json(report.coverage);
  if (report.cost) json["cost"] = cost_json(*report.cost);
  json["limits"] = limits_json(report.judgement.limits);
  json["failures"] = failures_json(report.judgement.failures);
  json["findings"] = findings_json(report.judgement.findings, stacks, options);
  json["taken_back"] = taken_back_json(report);
  json["groups"] = findings_json(report.judgement.groups, stacks, options);
  json["left_open"] = left_open_json(report.left_open);
  json["left_behind"] = left_open_json(report.left_behind);
  json["stacks"] = stacks.frames();
  json["stacks_truncated"] = stacks.truncations();
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace unclosed
