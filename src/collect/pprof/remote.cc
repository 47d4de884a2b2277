#include "collect/pprof/remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include "collect/pprof/saved_profile.h"

namespace unclosed {
namespace {

constexpr std::array<std::string_view, 6> kProfiles = {"goroutine", "goroutineleak", "heap",
                                                       "allocs",    "mutex",         "block"};

// What is taken each time.
struct Plan {
  std::vector<std::string> names;       // "goroutine", "heap"
  std::vector<std::string> parameters;  // "debug=2" for each
  bool offers_leaks = false;
  std::vector<std::string> notes;
};

struct Taken {
  std::vector<Captured> profiles;  // in the plan's order; of what was not given, nothing
  std::vector<std::string> notes;
  Instant at;
};

class Remote {
 public:
  Remote(const PprofAddress& address, const RemoteSettings& settings)
      : x_address(address), x_settings(settings) {}

  Result<GoroutineCapture> capture() {
    auto plan = make_plan();
    if (!plan) return plan.error();
    say(fmt::format("taking {} of {}", fmt::join(plan->names, " and "), x_address.shown));
    auto first = take(*plan);
    if (!first) return first.error();
    if (!wait_between()) return finish(*plan, *std::move(first), std::nullopt);
    auto second = take(*plan);
    if (second) return finish(*plan, *std::move(first), *std::move(second));
    if (!interrupted()) {
      first->notes.push_back("the second capture failed (" + second.error().context +
                             "): growth is not told");
    }
    return finish(*plan, *std::move(first), std::nullopt);
  }

 private:
  void say(const std::string& what) const {
    if (x_settings.progress) x_settings.progress(what);
  }

  Result<std::vector<HttpAnswer>> get(const std::vector<std::string>& urls) const {
    return http_get(urls, x_address.shown, x_settings.http);
  }

  Result<Plan> make_plan() {
    Plan plan;
    if (!x_address.profile.empty()) {
      const auto& name = x_address.profile;
      if (std::find(kProfiles.begin(), kProfiles.end(), name) == kProfiles.end())
        return Error{ErrorKind::kUsage,
                     fmt::format("{} says nothing about goroutines or memory; give the address "
                                 "without it, or with one of: {}",
                                 name, fmt::join(kProfiles, ", ")),
                     "UC-E001"};
      plan.names = {name};
      plan.parameters = {"debug=0"};
      if (name != "goroutine") return plan;
    } else {
      plan.names = {"goroutine", "heap"};
      plan.parameters = {"debug=0", "debug=0"};
    }
    const auto page = get({x_address.url("", "")});
    if (!page) return page.error();
    const auto& index = page->front();
    plan.offers_leaks = index.status == 200 && x_address.profile.empty() &&
                        count_on_index(index.body, "goroutineleak").has_value();
    auto count = index.status == 200 ? count_on_index(index.body, "goroutine") : std::nullopt;
    if (!count) {  // no page, or not that of net/http/pprof: the profile counts too
      auto counted = take_one("goroutine", "debug=0");
      if (!counted) return counted.error();
      count = counted->capture.goroutines;
    }
    choose_form(*count, plan);
    return plan;
  }

  void choose_form(uint64_t goroutines, Plan& plan) const {
    const bool few = goroutines <= RemoteSettings::kFewGoroutines;
    if (few || x_settings.states == StatesWanted::kAlways) {
      plan.parameters.front() = "debug=2";
      return;
    }
    plan.notes.push_back(fmt::format(
        "taken without wait times, creators and numbers: a dump that has them would stop a service "
        "of {} goroutines for some {:.1f} s; --states takes it all the same",
        goroutines, static_cast<double>(goroutines) * 3.2e-5));
  }

  Result<Captured> read(const std::string& name, HttpAnswer answer) const {
    if (const auto error = status_error(answer.status, x_address.shown, name)) return *error;
    return read_profile(ByteSource::of(std::move(answer.body)),
                        fmt::format("{} of {}", name, x_address.shown));
  }

  Result<Captured> take_one(const std::string& name, std::string_view parameters) const {
    auto answers = get({x_address.url(name, parameters)});
    if (!answers) return answers.error();
    return read(name, std::move(answers->front()));
  }

  // All profiles of the plan at one moment. The first must be there, others may be missing.
  Result<Taken> take(const Plan& plan) const {
    std::vector<std::string> urls;
    for (size_t i = 0; i < plan.names.size(); ++i)
      urls.push_back(x_address.url(plan.names[i], plan.parameters[i]));
    Taken taken;
    taken.at = monotonic_now();
    auto answers = get(urls);
    if (!answers) return answers.error();
    for (size_t i = 0; i < plan.names.size(); ++i) {
      auto captured = read(plan.names[i], std::move((*answers)[i]));
      if (captured) {
        taken.profiles.push_back(*std::move(captured));
      } else if (i == 0) {
        return captured.error();
      } else {
        taken.notes.push_back(
            fmt::format("without {}: {}", plan.names[i], captured.error().context));
      }
    }
    return taken;
  }

  // False: interrupted.
  bool wait_between() const {
    const Instant end = monotonic_now() + x_settings.between;
    while (monotonic_now() < end) {
      if (interrupted()) return false;
      const Duration left = end - monotonic_now();
      say(fmt::format("the second capture follows in {:.0f} s", std::max(0.0, seconds(left))));
      std::this_thread::sleep_for(std::min<Duration>(left, std::chrono::milliseconds(200)));
    }
    return true;
  }

  // Both captures, or one, as a single answer.
  GoroutineCapture finish(const Plan& plan, Taken first, std::optional<Taken> second) const {
    std::vector<Captured> all = std::move(first.profiles);
    const Taken& last = second ? *second : first;
    if (second)
      std::move(second->profiles.begin(), second->profiles.end(), std::back_inserter(all));
    std::vector<std::string> notes = plan.notes;
    notes.insert(notes.end(), last.notes.begin(), last.notes.end());
    const bool stopped = interrupted();
    if (plan.offers_leaks && !stopped) {
      say("asking the runtime's detector of leaked goroutines");
      if (auto leaks = take_one("goroutineleak", "debug=0"); leaks) {
        all.push_back(*std::move(leaks));
      } else {
        notes.push_back("without goroutineleak: " + leaks.error().context);
      }
    }
    GoroutineCapture whole = combine(std::move(all));
    whole.source = x_address.shown;
    if (second) whole.seconds_between = seconds(second->at - first.at);
    if (stopped && !second)
      notes.emplace_back("interrupted before the second capture: growth is not told");
    whole.notes.insert(whole.notes.end(), notes.begin(), notes.end());
    return whole;
  }

  bool interrupted() const {
    return x_settings.http.interrupt != nullptr && x_settings.http.interrupt->load() != 0;
  }

  const PprofAddress& x_address;
  const RemoteSettings& x_settings;
};

}  // namespace

std::optional<uint64_t> count_on_index(std::string_view page, std::string_view profile) {
  for (size_t at = page.find(profile); at != std::string_view::npos;
       at = page.find(profile, at + 1)) {
    if (!page.substr(at + profile.size()).starts_with("?debug")) continue;
    if (at > 0 && std::string_view("'\"/=").find(page[at - 1]) == std::string_view::npos) continue;
    // Before the link stands its count, with marks of HTML between.
    const size_t link = page.rfind("<a ", at);
    if (link == std::string_view::npos) continue;
    bool in_tag = false;
    for (size_t i = link; i > 0 && link - i < 128; --i) {
      const char c = page[i - 1];
      if (c == '>') in_tag = true;
      if (!in_tag && c >= '0' && c <= '9') {
        size_t start = i - 1;
        while (start > 0 && page[start - 1] >= '0' && page[start - 1] <= '9') --start;
        uint64_t count = 0;
        const auto answer = std::from_chars(page.data() + start, page.data() + i, count);
        return answer.ec == std::errc() ? std::optional(count) : std::nullopt;
      }
      if (c == '<') in_tag = false;
    }
  }
  return std::nullopt;
}

Result<GoroutineCapture> capture_remote(const PprofAddress& address,
                                        const RemoteSettings& settings) {
  return Remote(address, settings).capture();
}

}  // namespace unclosed
