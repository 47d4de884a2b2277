#include "report/listing_json.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/listing_summary.h"
#include "report/owner_json.h"

namespace unclosed {
namespace {

using Json = nlohmann::ordered_json;

Json rounded(double value) { return std::round(value * 1000) / 1000; }
Json rounded(const std::optional<double>& value) { return value ? rounded(*value) : Json(); }
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// An address needs no escaping.
void add_end(std::string& out, std::string_view name, const Endpoint& end) {
  if (end.known()) {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(",\"{}\":\"{}\""), name, end.to_string());
  } else {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(",\"{}\":null"), name);
  }
}

void add_ms(std::string& out, std::string_view name, int32_t ms) {
  if (ms < 0) {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(",\"{}\":null"), name);
  } else {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(",\"{}\":{}.{:03}"), name, ms / 1000,
                   ms % 1000);
  }
}

void add_waiters(const std::vector<ParkedDescriptor>& parked, int32_t fd, std::string& out) {
  const auto at =
      std::lower_bound(parked.begin(), parked.end(), fd,
                       [](const ParkedDescriptor& one, int32_t wanted) { return one.fd < wanted; });
  const bool found = at != parked.end() && at->fd == fd;
  out += ",\"waiters\":";
  out += dumped(found ? waiters_json(at->waiters) : Json::array());
}

// Written by hand: a tree of values for each of a hundred thousand would take a gigabyte.
void add_row(const ListedProcess& process, const ListedDescriptor& one, std::string& out) {
  auto into = std::back_inserter(out);
  fmt::format_to(into, FMT_COMPILE("{{\"fd\":{},\"kind\":\"{}\""), one.fd, to_string(one.kind));
  if (one.thread != 0) fmt::format_to(into, FMT_COMPILE(",\"thread\":{}"), one.thread);
  if (one.state != TcpState::kNone) {
    fmt::format_to(into, FMT_COMPILE(",\"state\":\"{}\""), to_string(one.state));
  } else {
    out += ",\"state\":null";
  }
  add_end(out, "local", one.local);
  add_end(out, "peer", one.peer);
  if (one.has_queues) {
    fmt::format_to(into, FMT_COMPILE(",\"recv_queue\":{},\"send_queue\":{}"), one.recv_queue,
                   one.send_queue);
  } else {
    out += ",\"recv_queue\":null,\"send_queue\":null";
  }
  add_ms(out, "idle_seconds", one.idle_ms);
  add_ms(out, "age_at_least_seconds", one.older_ms);
  fmt::format_to(into, FMT_COMPILE(",\"inode\":{},\"listed\":{},\"name\":"), one.inode,
                 !one.unlisted);
  out += one.name == 0 ? "null" : dumped(Json(process.names[one.name - 1]));
  if (!process.parked.empty()) add_waiters(process.parked, one.fd, out);
  out += '}';
}

Json counted(const ListingSummary& sum) {
  Json kinds = Json::object(), states = Json::object();
  for (size_t i = 0; i < kKinds; ++i) {
    if (sum.kinds[i] > 0) kinds[std::string(to_string(static_cast<Kind>(i)))] = sum.kinds[i];
  }
  for (size_t i = 1; i < kTcpStates; ++i) {
    if (sum.states[i] > 0) {
      states[std::string(to_string(static_cast<TcpState>(i)))] = sum.states[i];
    }
  }
  return {{"kinds", kinds}, {"states", states}};
}

Json limits_of(const ListedProcess& process, const ListingSummary& sum) {
  Json limits = Json::array();
  if (process.nofile) {
    limits.push_back({{"name", "nofile"},
                      {"used", process.nofile->used},
                      {"max", or_null(process.nofile->max)},
                      {"exhausted_in_seconds", rounded(process.exhausted_in_seconds)}});
  }
  if (sum.ports) {
    limits.push_back({{"name", "local-ports"},
                      {"peer", sum.ports->peer.to_string()},
                      {"used", sum.ports->used},
                      {"max", sum.ports->max},
                      {"exhausted_in_seconds", nullptr}});
  }
  return limits;
}

Json process_json(const ListedProcess& process, const Listing& listing) {
  const ListingSummary sum = summarize(process, listing.port_range);
  const bool read = process.obstacle.empty();
  Json json = {{"pid", process.id.pid},
               {"started", listing.clock.format(process.started)},
               {"name", process.comm},
               {"command", process.command},
               {"uid", process.uid},
               {"limits", limits_of(process, sum)},
               {"growth_per_minute", Json()},
               {"course", Json::array()},
               {"not_read", text_or_null(process.obstacle)},
               {"sockets_not_read", text_or_null(process.sockets_obstacle)},
               {"listed", read ? Json(process.descriptors.size()) : Json()}};
  if (process.growth_per_second) {
    json["growth_per_minute"] = rounded(*process.growth_per_second * 60);
  }
  for (const auto& [at, count] : process.course) {
    json["course"].push_back({rounded(seconds(at - listing.started)), count});
  }
  if (!read) return json;
  json.update(counted(sum));
  json["not_in_any_list"] = sum.unlisted;
  json["recv_queue"] = sum.unread;
  json["send_queue"] = sum.unsent;
  json["idle_seconds"] = rounded(sum.idlest_seconds);
  json["age_at_least_seconds"] = rounded(sum.oldest_seconds);
  json["peers"] = Json::array();
  for (const auto& [peer, count] : sum.peers) {
    json["peers"].push_back({{"peer", peer}, {"count", count}});
  }
  return json;
}

}  // namespace

std::string listing_json(const Listing& listing, ListedRows rows) {
  Json head = {{"schema", "unclosed.listing/1"},
               {"rung", listing.rung},
               {"rung_reason", text_or_null(listing.rung_reason)},
               {"window",
                {{"started", listing.clock.format(listing.started)},
                 {"seconds", rounded(seconds(listing.ended - listing.started))}}},
               {"not_read", listing.unreadable},
               {"notes", listing.notes},
               {"limits", Json::array()},
               {"gone", Json::array()}};
  if (listing.open_files) {
    head["limits"].push_back({{"name", "open-files"},
                              {"used", listing.open_files->used},
                              {"max", or_null(listing.open_files->max)}});
  }
  for (const ProcessId& gone : listing.gone) head["gone"].push_back(gone.pid);
  std::string out = dumped(head);
  out.back() = ',';
  out += "\"processes\":[";
  bool first = true;
  for (const ListedProcess& process : listing.processes) {
    out += first ? "\n" : ",\n";
    first = false;
    out += dumped(process_json(process, listing));
    if (rows == ListedRows::kCounted || !process.obstacle.empty()) continue;
    out.back() = ',';
    out += "\"descriptors\":[";
    for (const ListedDescriptor& one : process.descriptors) {
      out += &one == process.descriptors.data() ? "\n" : ",\n";
      add_row(process, one, out);
    }
    out += "]}";
  }
  out += "]}\n";
  return out;
}

}  // namespace unclosed
