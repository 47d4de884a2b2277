#include "judge/hunt_holders.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

namespace unclosed {
namespace {

constexpr size_t kMostSites = 200;
constexpr double kMost = 0.5;         // of what is held: more than this at one line names it
constexpr double kNearlyAll = 0.8;    // of those who may hold one in the midst of a request
constexpr double kHardlyAny = 0.1;    // of what is in use: so few in a query are no slow database
constexpr uint64_t kFewAtLeast = 3;   // goroutines that are more than a coincidence
constexpr uint64_t kManyBodies = 10;  // unread responses that no traffic leaves for a moment

// Frames under which a goroutine is in the midst of somebody's request.
constexpr std::array<std::string_view, 6> kServing = {
    "net/http.(*conn).serve",
    "net/http.(*http2serverConn).runHandler",
    "google.golang.org/grpc.(*Server).processUnaryRPC",
    "google.golang.org/grpc.(*Server).processStreamingRPC",
    "github.com/valyala/fasthttp.(*Server).serveConn",
    "net/rpc.(*service).call"};

bool serves(const std::vector<NamedFrame>& stack) {
  return std::any_of(stack.begin(), stack.end(), [](const NamedFrame& frame) {
    return std::any_of(kServing.begin(), kServing.end(),
                       [&](std::string_view start) { return frame.function.starts_with(start); });
  });
}

std::string minutes(const std::optional<WaitSeconds>& wait) {
  if (!wait || wait->max < 60) return "";
  if (wait->min == wait->max) return fmt::format(" for {:.0f} min", wait->max / 60);
  return fmt::format(" for up to {:.0f} min", wait->max / 60);
}

// Sites of equal kind and line are counted together.
class Sites {
 public:
  void add(HoldSite site, const std::string& state = {},
           const std::optional<WaitSeconds>& wait = {}) {
    const auto key =
        std::tuple(site.kind, site.at_opening, site.frame ? site.frame->function : "",
                   site.frame ? site.frame->file : "", site.frame ? site.frame->line : 0U, state);
    if (x_sites.size() >= kMostSites && !x_sites.contains(key)) return;
    auto& [known, waits] = x_sites[key];
    const uint64_t before = known.count;
    const uint64_t more = site.count;
    if (before == 0) known = std::move(site);
    known.count = before + more;
    if (!wait) return;
    waits = waits ? WaitSeconds{std::min(waits->min, wait->min), std::max(waits->max, wait->max)}
                  : *wait;
  }

  std::vector<HoldSite> take() {
    std::vector<HoldSite> out;
    for (auto& [key, one] : x_sites) {
      auto& [site, wait] = one;
      const std::string& state = std::get<5>(key);
      if (!state.empty()) site.says += " in " + state + minutes(wait);
      out.push_back(std::move(site));
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const HoldSite& a, const HoldSite& b) { return a.count > b.count; });
    return out;
  }

 private:
  using Key = std::tuple<HoldKind, bool, std::string, std::string, uint32_t, std::string>;
  std::map<Key, std::pair<HoldSite, std::optional<WaitSeconds>>> x_sites;
};

HoldSite site_of(HoldKind kind, const std::vector<NamedFrame>& stack, uint64_t count,
                 std::string says) {
  HoldSite site;
  site.kind = kind;
  site.count = count;
  site.says = std::move(says);
  if (const NamedFrame* own = own_caller(stack)) site.frame = *own;
  return site;
}

void add_reported(const std::vector<Account>& accounts, Holding& holding, Sites& sites) {
  for (const Account& account : accounts) {
    for (const ReportedHold& hold : account.holds) {
      const uint64_t still = hold.count - std::min(hold.count, hold.taken_back);
      // Druid tells what its thread does: who waits for the database is slow, and not gone.
      const bool queries =
          std::any_of(hold.doing.begin(), hold.doing.end(), [](const NamedFrame& frame) {
            return frame.function.find("ocketInputStream") != std::string::npos ||
                   frame.function.find("NioSocketImpl") != std::string::npos;
          });
      if (still > 0) {
        auto site = site_of(queries ? HoldKind::kLate : HoldKind::kReported, hold.stack, still,
                            queries ? hold.reporter + " reports; its thread waits for an answer"
                                    : hold.reporter + " reports them as not given back");
        site.at_opening = true;
        sites.add(std::move(site));
        if (!queries) holding.leaked += still;
      }
      if (hold.taken_back == 0) continue;
      auto site = site_of(HoldKind::kLate, hold.stack, hold.taken_back,
                          hold.reporter + " reported them, and had them back later");
      site.at_opening = true;
      sites.add(std::move(site));
    }
  }
}

void add_left_open(const OpenInGo& open, std::string_view opener, Holding& holding, Sites& sites) {
  // Where the opening is told, its line may be that behind the call: ancestors are kept so.
  auto site = site_of(HoldKind::kLeftOpen, open.opening, open.count,
                      fmt::format("open {}s whose opener {}", open.what, opener));
  site.at_opening = true;
  holding.leaked += open.count;
  sites.add(std::move(site));
}

// By what their opener does now.
void add_by_opener(const OpenInGo& open, Holding& holding, Sites& sites) {
  const auto add = [&](HoldKind kind, const char* words) {
    holding.leaked += open.count;
    sites.add(site_of(kind, open.stack, open.count, fmt::format(fmt::runtime(words), open.what)),
              open.state, open.wait);
  };
  switch (role_of(open.stack, open.state)) {
    case GoRole::kWaitsForPool:
      return add(HoldKind::kNested, "hold an open {} and wait for another connection");
    case GoRole::kStuckHolding:
    case GoRole::kParkedInOwn:
      return add(HoldKind::kStuck, "hold an open {}, parked");
    case GoRole::kInQuery:
      return;  // counted with the goroutines
    case GoRole::kOther:
      // Idle between two requests: it went on without an end to what it had opened.
      if (own_caller(open.stack) == nullptr)
        add_left_open(open, "went on to something else", holding, sites);
      return;
  }
}

void add_open(const std::vector<OpenInGo>& all, Holding& holding, Sites& sites) {
  for (const OpenInGo& open : all) {
    holding.watched += open.count;
    if (open.ended) {
      add_left_open(open, "has ended", holding, sites);
    } else if (!open.state.empty()) {
      add_by_opener(open, holding, sites);
    }
    // Else nobody tells who opened it.
  }
}

void add_goroutines(const GoroutineCapture& capture, Holding& holding, Sites& sites,
                    Sites& candidates) {
  for (const GoroutineGroup& group : capture.groups) {
    switch (role_of(group.stack, group.state)) {
      case GoRole::kWaitsForPool:
        holding.waiting += group.count;
        break;
      case GoRole::kInQuery:
        holding.in_query += group.count;
        if (group.wait && group.wait->max >= 60) holding.in_query_long += group.count;
        sites.add(site_of(HoldKind::kInQuery, group.stack, group.count, "wait for an answer"),
                  group.state, group.wait);
        break;
      case GoRole::kStuckHolding:
        holding.leaked += group.count;
        sites.add(site_of(HoldKind::kStuck, group.stack, group.count,
                          "parked while a library holds a connection for them"),
                  group.state, group.wait);
        break;
      case GoRole::kParkedInOwn:
        candidates.add(site_of(HoldKind::kInRequest, group.stack, group.count,
                               serves(group.stack) ? "parked in the midst of a request" : "parked"),
                       group.state, group.wait);
        break;
      case GoRole::kOther:
        break;
    }
  }
}

// Of the requests under way those that neither wait for the pool nor for an answer are the only
// ones that can hold connections. Where nearly all of them are parked at one line, that is where.
void take_those_in_requests(const GoroutineCapture& capture, Holding& holding, Sites& sites) {
  if (holding.waiting == 0 || holding.leaked > 0) return;
  uint64_t under_way = 0;
  const GoroutineGroup* most = nullptr;
  uint64_t at_most = 0;
  std::map<std::pair<std::string, uint32_t>, uint64_t> by_line;
  for (const GoroutineGroup& group : capture.groups) {
    const NamedFrame* own = own_caller(group.stack);
    if (own == nullptr || !serves(group.stack)) continue;
    const GoRole role = role_of(group.stack, group.state);
    if (role == GoRole::kWaitsForPool || role == GoRole::kInQuery) continue;
    under_way += group.count;
    if (role != GoRole::kParkedInOwn) continue;
    const uint64_t here = by_line[{own->file, own->line}] += group.count;
    if (here > at_most) {
      at_most = here;
      most = &group;
    }
  }
  if (most == nullptr || at_most < kFewAtLeast ||
      static_cast<double>(at_most) < kNearlyAll * static_cast<double>(under_way) ||
      static_cast<double>(holding.in_query) > kHardlyAny * static_cast<double>(at_most))
    return;
  holding.leaked += at_most;
  sites.add(site_of(HoldKind::kInRequest, most->stack, at_most,
                    "nearly all requests under way that do not wait for the pool are parked here"),
            most->state, most->wait);
}

}  // namespace

Holding holding_of(const HuntInput& input) {
  Holding holding;
  Sites sites, candidates;
  add_reported(input.accounts, holding, sites);
  add_open(input.open_in_go, holding, sites);
  if (input.goroutines) {
    holding.goroutines_seen = true;
    add_goroutines(*input.goroutines, holding, sites, candidates);
    take_those_in_requests(*input.goroutines, holding, sites);
    holding.stand_ins = stand_ins(input.goroutines->groups);
    for (const StandIn& one : holding.stand_ins) {
      if (one.conclusive && one.count >= kManyBodies) holding.leaked += one.count;
    }
  }
  holding.sites = sites.take();
  holding.candidates = candidates.take();
  return holding;
}

namespace {

uint64_t count_of(const Holding& holding, HoldKind kind) {
  uint64_t count = 0;
  for (const HoldSite& site : holding.sites) count += site.kind == kind ? site.count : 0;
  return count;
}

// What the goroutines say of a pool that is used up.
std::optional<Diagnosed> by_goroutines(const Holding& holding, const DiagnosisFacts& facts) {
  const bool lacking = facts.exhausted || holding.waiting > 0;
  const double in_use = facts.course != nullptr ? facts.course->last().in_use.value_or(0) : 0;
  const uint64_t late = count_of(holding, HoldKind::kLate);
  const uint64_t busy = holding.in_query + late;
  if (holding.leaked > busy && holding.leaked >= (lacking ? 1 : kFewAtLeast)) {
    return Diagnosed{Diagnosis::kLeak,
                     fmt::format("{} connections are held by those who will not give them back, {} "
                                 "by those who wait for an answer",
                                 holding.leaked, busy)};
  }
  if (!lacking && late == 0) return std::nullopt;
  if (facts.course != nullptr && facts.exhausted && pace_of(*facts.course) == Pace::kMoving)
    return std::nullopt;  // the counters tell more than a moment
  if (late > 0 && late >= holding.leaked && holding.in_query == 0) {
    return Diagnosed{Diagnosis::kSlow,
                     fmt::format("{} reported as leaked were still at work or came back: they "
                                 "were held for long",
                                 late)};
  }
  if (!holding.goroutines_seen || !lacking) return std::nullopt;
  const bool most_in_query = in_use > 0 ? static_cast<double>(holding.in_query) >= kMost * in_use
                                        : holding.in_query >= kFewAtLeast;
  if (most_in_query) {
    const bool long_ones = holding.in_query_long * 2 >= holding.in_query;
    if (long_ones || facts.timed_out) {
      return Diagnosed{Diagnosis::kSlow,
                       fmt::format("{} of those that hold connections wait for the database's "
                                   "answer, {} of them for a minute and more",
                                   holding.in_query, holding.in_query_long)};
    }
    return Diagnosed{
        Diagnosis::kUnknown,
        fmt::format("{} of those that hold connections wait for the database's answer: "
                    "slow statements or too small a pool; a moment does not tell how "
                    "long they take",
                    holding.in_query)};
  }
  if (in_use >= 1 && holding.waiting > 0 &&
      static_cast<double>(holding.in_query) < kHardlyAny * in_use) {
    return Diagnosed{
        Diagnosis::kLeak,
        fmt::format("{:.0f} are in use, {} goroutines wait for one, and {} wait for an "
                    "answer: they are held by none that works with them",
                    in_use, holding.waiting, holding.in_query)};
  }
  return std::nullopt;
}

}  // namespace

Diagnosed diagnose(const Holding& holding, const DiagnosisFacts& facts) {
  if (auto known = by_goroutines(holding, facts)) return *std::move(known);
  const bool lacking = facts.exhausted || holding.waiting > 0;
  if (!lacking) return {};
  if (facts.course != nullptr && facts.exhausted) {
    switch (pace_of(*facts.course)) {
      case Pace::kMoving:
        return {Diagnosis::kLimitTooSmall,
                "all are in use and callers wait, yet they are given back soon and taken again"};
      case Pace::kSlowly:
        return {
            Diagnosis::kSlow,
            fmt::format("they are given back, but a use takes over {:.0f} s on average", kLongUse)};
      case Pace::kStill:
        return {
            Diagnosis::kUnknown,
            "nothing was given back between the captures: a leak, or all wait for the database"};
      case Pace::kNotTold:
        break;
    }
  }
  if (facts.statements_given_up) {
    return {Diagnosis::kSlow,
            "the server gave up statements that ran or waited for locks too long"};
  }
  return {Diagnosis::kUnknown, "whether what is in use will come back is not told"};
}

std::optional<Blame> blame_of(const Holding& holding, Diagnosis diagnosis) {
  if (diagnosis != Diagnosis::kLeak && diagnosis != Diagnosis::kSlow) return std::nullopt;
  const auto counts = [&](const HoldSite& site) {
    const bool works = site.kind == HoldKind::kInQuery || site.kind == HoldKind::kLate;
    return works == (diagnosis == Diagnosis::kSlow);
  };
  // One line may stand under several kinds.
  std::map<std::pair<std::string, uint32_t>, uint64_t> by_line;
  uint64_t all = 0;
  for (const HoldSite& site : holding.sites) {
    if (!counts(site)) continue;
    all += site.count;
    if (site.frame) by_line[{site.frame->file, site.frame->line}] += site.count;
  }
  const auto most = std::max_element(by_line.begin(), by_line.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  if (most == by_line.end() ||
      static_cast<double>(most->second) <= kMost * static_cast<double>(all))
    return std::nullopt;
  const auto first =
      std::find_if(holding.sites.begin(), holding.sites.end(), [&](const HoldSite& site) {
        return counts(site) && site.frame && site.frame->file == most->first.first &&
               site.frame->line == most->first.second;
      });
  Blame blame;
  blame.site = {first->frame->function, first->frame->file, first->frame->line};
  blame.role = first->at_opening                   ? BlameRole::kBorrowed
               : first->kind == HoldKind::kInQuery ? BlameRole::kUsed
                                                   : BlameRole::kHeld;
  blame.rule = fmt::format("{} of {}: {}", most->second, all, first->says);
  const double share = static_cast<double>(most->second) / static_cast<double>(all);
  blame.confidence = share * (first->kind == HoldKind::kInRequest ? 0.8 : 0.95);
  return blame;
}

}  // namespace unclosed
