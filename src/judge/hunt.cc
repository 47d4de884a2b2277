#include "judge/hunt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "judge/hunt_holders.h"
#include "judge/hunt_pools.h"

namespace unclosed {
namespace {

constexpr size_t kShownErrors = 6, kShownSites = 5, kShownStandIns = 4;
constexpr uint64_t kFewShown = 3;  // parked goroutines that are worth a line

constexpr const char* kWatch = "sudo unclosed attach PID --for 60s";
constexpr const char* kDump =
    "the goroutines: unclosed go http://HOST:PORT (net/http/pprof), or kill -QUIT PID and its log";

// The gravest first: what is in short supply, who reports a leak, ends, consequences.
constexpr std::array kGravity = {Trouble::kPoolExhausted,    Trouble::kDescriptorsExhausted,
                                 Trouble::kServerFull,       Trouble::kPortsExhausted,
                                 Trouble::kLeakReported,     Trouble::kIdleInTransaction,
                                 Trouble::kOutOfMemory,      Trouble::kHandlerPanic,
                                 Trouble::kStatementTimeout, Trouble::kConnectionBusy,
                                 Trouble::kUseAfterClose,    Trouble::kRowsClosed,
                                 Trouble::kLeakTakenBack,    Trouble::kDeadline,
                                 Trouble::kBadConnection};
static_assert(kGravity.size() == kTroubles);

size_t gravity(Trouble kind) {
  return static_cast<size_t>(std::find(kGravity.begin(), kGravity.end(), kind) - kGravity.begin());
}

// "line 12 of app.log"; the name is left out where there is one file alone.
std::string line_words(uint64_t line, const std::string& source, size_t sources) {
  return sources == 1 ? fmt::format("line {}", line) : fmt::format("line {} of {}", line, source);
}

std::string place(const NamedFrame& frame) {
  if (frame.file.empty()) return frame.function;
  return fmt::format("{} ({}:{})", frame.function, frame.file, frame.line);
}

// Everything that the steps speak of.
struct Facts {
  HuntInput input;
  std::vector<PoolCourse> courses;
  const PoolCourse* worst = nullptr;
  bool pool_exhausted = false;  // by the counters of `worst`
  Holding holding;
  std::vector<LogError> errors;
  Diagnosed diagnosed;
  std::optional<Blame> blame;

  uint64_t count_of(Trouble kind) const {
    uint64_t count = 0;
    for (const LogError& error : errors) count += error.kind == kind ? error.count : 0;
    return count;
  }
};

// Errors of one kind stay apart by their source.
std::vector<LogError> errors_of(const std::vector<Account>& accounts) {
  std::vector<LogError> errors;
  for (const Account& account : accounts)
    errors.insert(errors.end(), account.errors.begin(), account.errors.end());
  std::stable_sort(errors.begin(), errors.end(), [](const LogError& a, const LogError& b) {
    return gravity(a.kind) < gravity(b.kind);
  });
  return errors;
}

const PoolCourse* worst_of(const std::vector<PoolCourse>& courses) {
  const auto worse = [](const PoolCourse& a, const PoolCourse& b) {
    if (is_exhausted(a) != is_exhausted(b)) return is_exhausted(b);
    if (fullness(a.last()) != fullness(b.last())) return fullness(a.last()) < fullness(b.last());
    return a.samples.size() < b.samples.size();  // who tells a course tells more
  };
  const auto found = std::max_element(courses.begin(), courses.end(), worse);
  return found == courses.end() ? nullptr : &*found;
}

Facts facts_of(HuntInput input) {
  Facts facts;
  facts.input = std::move(input);
  std::vector<PoolSample> samples;
  for (const Account& account : facts.input.accounts)
    samples.insert(samples.end(), account.pools.begin(), account.pools.end());
  facts.courses = pool_courses(samples);
  facts.worst = worst_of(facts.courses);
  facts.pool_exhausted = facts.worst != nullptr && is_exhausted(*facts.worst);
  facts.errors = errors_of(facts.input.accounts);
  facts.holding = holding_of(facts.input);
  // A pool that was full when it refused somebody is exhausted, whatever its counters tell.
  if (facts.worst != nullptr && all_in_use(facts.worst->last()) &&
      (facts.count_of(Trouble::kPoolExhausted) > 0 || facts.holding.waiting > 0))
    facts.pool_exhausted = true;
  DiagnosisFacts known;
  known.course = facts.worst;
  known.exhausted = facts.pool_exhausted || facts.count_of(Trouble::kPoolExhausted) > 0;
  known.statements_given_up = facts.count_of(Trouble::kStatementTimeout) > 0;
  known.timed_out = known.statements_given_up || facts.count_of(Trouble::kDeadline) > 0;
  facts.diagnosed = diagnose(facts.holding, known);
  facts.blame = blame_of(facts.holding, facts.diagnosed.diagnosis);
  return facts;
}

const Account* who_died(const Facts& facts) {
  const Account* last = nullptr;
  for (const Account& account : facts.input.accounts) {
    if (account.died && (last == nullptr || !account.died->asked)) last = &account;
  }
  return last;
}

bool speaks_of_trouble(const Facts& facts) {
  const Account* died = who_died(facts);
  return !facts.errors.empty() || (died != nullptr && !died->died->asked) || facts.pool_exhausted ||
         facts.holding.leaked > 0 || facts.holding.waiting > 0;
}

HuntStep symptom(const Facts& facts) {
  HuntStep step;
  step.stage = HuntStage::kSymptom;
  const size_t sources = facts.input.accounts.size();
  const Account* account = who_died(facts);
  if (account != nullptr) {
    const Death& died = *account->died;
    step.says = died.asked ? "goroutines were asked for (SIGQUIT)"
                           : fmt::format("the process died: {}: {}", died.how, died.message);
    if (died.goroutine != 0) {
      const auto own = own_frame(died);
      step.evidence.push_back(
          fmt::format("line {} of {}: goroutine {}{}", died.line, died.source, died.goroutine,
                      own ? " in " + place(*own) : std::string(", without own code on its stack")));
    }
  }
  const bool died = account != nullptr && !account->died->asked;
  if (!facts.errors.empty() && !died) {
    step.says = meaning(facts.errors.front().kind);
  } else if (!died && (facts.pool_exhausted || facts.holding.waiting > 0)) {
    step.says = "callers wait for a connection of the pool";
  }
  for (size_t i = 0; i < std::min(facts.errors.size(), kShownErrors); ++i) {
    const LogError& error = facts.errors[i];
    step.evidence.push_back(
        fmt::format("{} × {} ({}), first in {}: {}", error.count, to_string(error.kind), error.from,
                    line_words(error.first_line, error.source, sources), error.text));
  }
  if (facts.errors.size() > kShownErrors)
    step.evidence.push_back(fmt::format("{} more kinds", facts.errors.size() - kShownErrors));
  if (step.says.empty()) {
    const bool log = std::any_of(facts.input.accounts.begin(), facts.input.accounts.end(),
                                 [](const Account& one) { return one.what == "log"; });
    step.says = log ? "no error in the log speaks of connections" : "no log was given";
    step.missing.push_back("what callers saw: the service's log of the same time");
  }
  return step;
}

HuntStep state(const Facts& facts) {
  HuntStep step;
  step.stage = HuntStage::kState;
  for (const PoolCourse& course : facts.courses) {
    if (step.evidence.size() >= kShownSites) break;
    const PoolSample& last = course.last();
    step.evidence.push_back(fmt::format("{}{}: {}", last.name.empty() ? "" : last.name + ", ",
                                        last.format, pool_words(last)));
  }
  size_t shown = 0;
  for (const StandIn& one : facts.holding.stand_ins) {
    if (one.count < 2 || ++shown > kShownStandIns) continue;
    step.evidence.push_back(fmt::format("{} {}", one.count, one.says));
  }
  if (facts.holding.watched > 0)
    step.evidence.push_back(
        fmt::format("{} open transactions and results of database/sql", facts.holding.watched));
  for (const Account& account : facts.input.accounts) {
    if (account.gauges.empty() || !account.gauges.back().open_descriptors) continue;
    const ProcessGauges& gauges = account.gauges.back();
    auto words = fmt::format(
        "{:.0f} descriptors open{}", *gauges.open_descriptors,
        gauges.max_descriptors ? fmt::format(" of {:.0f}", *gauges.max_descriptors) : "");
    // Captures of one process often say the same.
    if (step.evidence.empty() || step.evidence.back() != words)
      step.evidence.push_back(std::move(words));
  }
  if (facts.pool_exhausted) {
    step.says = "the pool is exhausted: " + pool_words(facts.worst->last());
  } else if (facts.holding.waiting > 0) {
    step.says = fmt::format("{} goroutines wait for a connection of a pool", facts.holding.waiting);
  } else if (facts.worst != nullptr) {
    step.says = "no pool is exhausted: " + pool_words(facts.worst->last());
  } else if (!step.evidence.empty()) {
    step.says = "goroutines of libraries tell of connections";
  } else {
    step.says = "nothing given tells of the connections' state";
  }
  if (facts.pool_exhausted && facts.holding.waiting > 0)
    step.evidence.push_back(
        fmt::format("{} goroutines wait for a connection", facts.holding.waiting));
  if (facts.worst == nullptr)
    step.missing.push_back("the pool's counters: sql.DBStats as JSON, /debug/vars, /metrics");
  step.missing.push_back("states and queues of the sockets: unclosed ls PID");
  return step;
}

void put_rise(HuntStep& step, std::string_view what, const std::optional<double>& was,
              const std::optional<double>& now) {
  if (was && now && *was != *now)
    step.evidence.push_back(fmt::format("{}: {:.0f} → {:.0f}", what, *was, *now));
}

HuntStep growth(const Facts& facts) {
  HuntStep step;
  step.stage = HuntStage::kGrowth;
  bool several = false;
  for (const PoolCourse& course : facts.courses) {
    if (course.samples.size() < 2 || step.evidence.size() >= kShownSites) continue;
    several = true;
    const auto& was = course.first();
    const auto& now = course.last();
    const std::string name = now.name.empty() ? "" : now.name + " ";
    put_rise(step, name + "in use", was.in_use, now.in_use);
    put_rise(step, name + "waiting", was.waiting, now.waiting);
    put_rise(step, name + "waits", was.wait_count, now.wait_count);
    put_rise(step, name + "given up", was.timeouts, now.timeouts);
    put_rise(step, name + "given back", was.uses, now.uses);
  }
  ProcessGauges was, now;
  for (const Account& account : facts.input.accounts) {
    for (const ProcessGauges& one : account.gauges) {
      if (!was.open_descriptors) was.open_descriptors = one.open_descriptors;
      if (!was.goroutines) was.goroutines = one.goroutines;
      if (one.open_descriptors) now.open_descriptors = one.open_descriptors;
      if (one.goroutines) now.goroutines = one.goroutines;
    }
  }
  put_rise(step, "descriptors", was.open_descriptors, now.open_descriptors);
  put_rise(step, "goroutines", was.goroutines, now.goroutines);
  size_t grown = 0;
  if (facts.input.goroutines) {
    for (const GoroutineGroup& group : facts.input.goroutines->groups) {
      if (group.growth) several = true;
      if (group.growth.value_or(0) <= 0 || grown >= kShownSites) continue;
      ++grown;
      const auto at = blocked_at(group);
      const auto own = own_frame(group);
      step.evidence.push_back(fmt::format("{:+} goroutines{}{}", *group.growth,
                                          group.state.empty() ? "" : " in " + group.state,
                                          own  ? " at " + place(group.stack[*own])
                                          : at ? " at " + place(group.stack[*at])
                                               : std::string()));
    }
  }
  if (!step.evidence.empty()) {
    step.says = "what changed between the first and the last capture";
  } else if (several) {
    step.says = "nothing grew between the captures";
  } else {
    step.says = "one moment tells no growth";
    step.missing.push_back(
        "the same counters or dump once more, some minutes later: unclosed explain FIRST SECOND");
  }
  return step;
}

std::string site_words(const HoldSite& site) {
  return fmt::format(
      "{} × {}{}", site.count, site.says,
      site.frame ? (site.at_opening ? ", opened in " : " at ") + place(*site.frame) : "");
}

HuntStep holders(const Facts& facts) {
  HuntStep step;
  step.stage = HuntStage::kHolders;
  const auto& sites = facts.holding.sites;
  for (size_t i = 0; i < std::min(sites.size(), kShownSites); ++i)
    step.evidence.push_back(site_words(sites[i]));
  if (!sites.empty()) {
    step.says = facts.diagnosed.reason.empty() ? "some hold connections" : facts.diagnosed.reason;
  } else if (facts.holding.goroutines_seen && facts.diagnosed.diagnosis == Diagnosis::kLeak) {
    step.says = facts.diagnosed.reason;
  } else if (facts.holding.goroutines_seen) {
    step.says = "no goroutine is seen to hold a connection";
  } else {
    step.says = "nothing given tells who holds the connections";
  }
  size_t shown = sites.size();
  for (const HoldSite& one : facts.holding.candidates) {
    const bool known = std::any_of(sites.begin(), sites.end(),
                                   [&](const HoldSite& site) { return site.frame == one.frame; });
    if (known || one.count < kFewShown || ++shown > kShownSites) continue;
    step.evidence.push_back(site_words(one) + " (whether they hold any is not told)");
  }
  if (!facts.holding.goroutines_seen && sites.empty()) step.missing.push_back(kDump);
  return step;
}

std::string why_no_blame(const Facts& facts) {
  if (facts.diagnosed.diagnosis == Diagnosis::kLimitTooSmall)
    return "no line keeps connections: the bound of the pool is what is short";
  if (facts.diagnosed.diagnosis == Diagnosis::kUnknown && !facts.holding.sites.empty())
    return "it is not told whether those who hold connections will give them back";
  if (facts.holding.sites.empty()) return "nothing given shows at which line connections are held";
  uint64_t unknown = 0, all = 0;
  for (const HoldSite& site : facts.holding.sites) {
    all += site.count;
    unknown += site.frame ? 0 : site.count;
  }
  return unknown * 2 >= all
             ? "whoever opened most of them has ended, or has no own code on its stack"
             : "the holders are at several lines, and none has most of them";
}

HuntStep line(const Facts& facts) {
  HuntStep step;
  step.stage = HuntStage::kLine;
  if (facts.blame) {
    const Site& site = facts.blame->site;
    step.says = fmt::format("{} by {} ({}:{})", to_string(facts.blame->role), site.function,
                            site.file, site.line);
    step.evidence.push_back(facts.blame->rule);
    step.evidence.push_back(fmt::format("confidence {:.0f} %", facts.blame->confidence * 100));
    return step;
  }
  step.says = "no line is named: " + why_no_blame(facts);
  if (facts.diagnosed.diagnosis != Diagnosis::kLimitTooSmall)
    step.missing.push_back(fmt::format("the line that opened or used them last: {}", kWatch));
  const bool left_open = std::any_of(
      facts.holding.sites.begin(), facts.holding.sites.end(),
      [](const HoldSite& site) { return site.kind == HoldKind::kLeftOpen && !site.frame; });
  if (left_open)
    step.missing.push_back(
        "who opened them: GODEBUG=tracebackancestors=10 in the service's environment, and its next "
        "dump");
  return step;
}

std::optional<PoolState> pool_state(const Facts& facts) {
  PoolState pool;
  if (facts.worst != nullptr) {
    pool.now = facts.worst->last();
    if (facts.worst->samples.size() > 1) pool.was = facts.worst->first();
  } else if (facts.holding.waiting > 0) {
    pool.now.format = "goroutines";
  } else {
    return std::nullopt;
  }
  if (!pool.now.waiting && facts.holding.waiting > 0)
    pool.now.waiting = static_cast<double>(facts.holding.waiting);
  pool.exhausted = facts.pool_exhausted || (facts.worst == nullptr && facts.holding.waiting > 0);
  pool.diagnosis = pool.exhausted ? facts.diagnosed.diagnosis : Diagnosis::kUnknown;
  return pool;
}

}  // namespace

Explanation hunt(HuntInput input) {
  const Facts facts = facts_of(std::move(input));
  Explanation out;
  for (const Account& account : facts.input.accounts) {
    out.sources.push_back(account.source);
    out.lines += account.lines;
    out.deaths += account.deaths;
    out.notes.insert(out.notes.end(), account.notes.begin(), account.notes.end());
    out.holds.insert(out.holds.end(), account.holds.begin(), account.holds.end());
  }
  if (const Account* died = who_died(facts)) out.died = died->died;
  out.errors = facts.errors;
  out.pool = pool_state(facts);
  for (const PoolCourse& course : facts.courses) out.pools.push_back(course.last());
  out.goroutines = facts.input.goroutines;
  if (!speaks_of_trouble(facts)) {
    out.no_blame_reason = "nothing in it speaks of trouble with connections";
    return out;
  }
  out.diagnosis = facts.diagnosed.diagnosis;
  out.diagnosis_reason = facts.diagnosed.reason;
  out.blame = facts.blame;
  if (!out.blame) out.no_blame_reason = why_no_blame(facts);
  out.steps = {symptom(facts), state(facts), growth(facts), holders(facts), line(facts)};
  return out;
}

}  // namespace unclosed
