#include "report/report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "report/finding_text.h"
#include "report/printable.h"
#include "report/text_page.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostGroups = 12;
constexpr double kNearLimit = 0.5;    // a share of a limit that is always shown
constexpr size_t kMostFarLimits = 3;  // shown of the others
constexpr double kSoonSeconds = 3600;

class TextReport {
 public:
  TextReport(const Report& report, const TextOptions& options, const SourceReader& source)
      : x_report(report),
        x_options(options),
        x_source(source),
        x_page(std::max<size_t>(options.width, 40), options.colour) {}

  std::string write() {
    header();
    for (const auto& finding : x_report.judgement.findings) FindingText(x_report, x_source, x_page).write(finding);
    if (x_report.judgement.findings.empty()) nothing_found();
    taken_back();
    if (x_options.all_groups || x_report.judgement.findings.empty()) groups();
    left_behind();
  open_at_end();
    limits();
    failures();
    coverage();
    if (!x_options.next_command.empty()) {
      x_page.blank();
      x_page.item(0, "next", x_options.next_command);
    }
    return x_page.take();
  }

 private:
  void header();
  void nothing_found();
  void taken_back();
  void groups();
  void left_behind();
  void open_at_end();
  void limits();
  void failures();
  void coverage();
  void cost(const Cost& cost);

  double window() const { return seconds(x_report.ended - x_report.started); }

  const Report& x_report;
  const TextOptions& x_options;
  const SourceReader& x_source;
  TextPage x_page;
};

void TextReport::header() {
  std::string who;
  const auto& processes = x_report.processes;
  for (size_t i = 0; i < std::min<size_t>(processes.size(), 4); ++i) {
    if (i > 0) who += ", ";
    who += process_name(processes[i]);
  }
  if (processes.size() > 4) who += fmt::format(" and {} more", processes.size() - 4);
  if (x_report.ended_children > 0) {
    who += fmt::format(" and {}", counted(x_report.ended_children, "child that has ended",
                                          "children that have ended"));
  }
  if (who.empty()) who = "no process";
  std::string text = who;
  if (!processes.empty() && !processes.front().runtime.empty()) {
    text += "  " + printable(processes.front().runtime);
  }
  text += fmt::format("  {}{} from {}", duration_words(window()),
                      x_report.interrupted ? " (ended early)" : "",
                      x_report.clock.format(x_report.started));
  x_page.bullet(0, "unclosed", Ink::kBold, text);
  if (processes.empty() || processes.front().command.empty()) return;
  std::string command;
  for (const auto& argument : processes.front().command) {
    if (!command.empty()) command += ' ';
    command += argument;
    if (command.size() > 4096) break;
  }
  x_page.line(2, fit(printable(command), x_page.width() - 2));
}

void TextReport::nothing_found() {
  const auto& coverage = x_report.coverage;
  const auto& all = x_report.judgement.groups;
  const auto unknown = static_cast<uint64_t>(std::count_if(
      all.begin(), all.end(), [](const Finding& one) { return one.verdict == Verdict::kUnknown; }));
  const bool blind = coverage.events_lost > 0 || unknown > 0;
  const auto look = look_of(blind ? Verdict::kUnknown : Verdict::kHealthy);
  x_page.blank();
  std::string text = fmt::format("no leak was seen in {}", duration_words(window()));
  if (blind) text += ", but not everything was seen";
  x_page.bullet(0, fmt::format("{} {}", look.glyph, look.word), look.ink, text);

  std::map<std::pair<Kind, bool>, uint64_t> kinds;
  for (const auto& group : all) {
    kinds[{group.kind, group.role == Role::kListener}] += group.descriptors;
  }
  std::vector<std::string> parts;
  for (const auto& [key, count] : kinds) {
    const auto [kind, listening] = key;
    parts.push_back(grouped(count) + " " +
                    (listening ? listeners(kind, count) : things(kind, count)));
  }
  x_page.item(2, "looked at",
              counted(coverage.open, "open descriptor", "open descriptors") +
                  (parts.empty() ? "" : fmt::format(": {}", fmt::join(parts, ", "))));
  x_page.item(2, "",
              fmt::format("{} were opened meanwhile, and {} closed", grouped(coverage.opened),
                          grouped(coverage.closed)));
  x_page.item(2, "this says",
              "nothing of a path that was not taken meanwhile, nor of a leak slower than the time "
              "that was looked; look longer, or under load, to say more");
  if (coverage.before_attach > 0) {
    x_page.item(2, "",
                fmt::format("{} opened before the attach: judged by state, queue and idle "
                            "time, without the line that opened them",
                            counted(coverage.before_attach, "was", "were")));
  }
  if (unknown > 0) {
    x_page.item(2, "", counted(unknown, "group", "groups") + " could not be judged");
  }
}

void TextReport::taken_back() {
  for (const auto& taken : x_report.judgement.taken_back) {
    x_page.blank();
    x_page.bullet(
        0, "↩ TAKEN BACK", Ink::kDim,
        fmt::format(
            "{}  {} {}{} {} said to be leaking after {}{}", printable(taken.fingerprint),
            grouped(taken.count), things(taken.kind, taken.count),
            taken.peer.empty() ? "" : " → " + printable(taken.peer),
            taken.count == 1 ? "was" : "were",
            duration_words(seconds(taken.said_at - x_report.started)),
            taken.now == Verdict::kSuspect ? "; less speaks for it by now (see above)" : ""));
    if (taken.blame) x_page.item(2, "blamed", name_and_place(taken.blame->site));
    x_page.item(
        2, "since then",
        fmt::format("{} used again, {} closed", grouped(taken.used_again), grouped(taken.closed)));
  }
}

void TextReport::groups() {
  auto all = x_report.judgement.groups;
  if (all.empty()) return;
  std::stable_sort(all.begin(), all.end(),
                   [](const Finding& a, const Finding& b) { return a.count > b.count; });
  x_page.blank();
  x_page.line(0, x_page.paint("groups of open descriptors", Ink::kDim));
  const size_t shown = x_options.all_groups ? all.size() : std::min(all.size(), kMostGroups);
  for (size_t i = 0; i < shown; ++i) {
    const auto& group = all[i];
    const auto look = look_of(group.verdict);
    const std::string words = members_words(group);
    const size_t digits = words.find(' ');
    std::string text = std::string(digits < 6 ? 6 - digits : 0, ' ') + words;
    if (!group.peer.empty()) text += " → " + printable(group.peer);
    if (group.opened) text += "  opened at " + name_and_place(*group.opened);
    const auto waits = std::find_if(
        group.evidence.begin(), group.evidence.end(),
        [](const Evidence& one) { return one.kind == "awaiting-answer"; });
    if (waits != group.evidence.end()) text += "; slow: " + printable(waits->text);
    x_page.bullet(2, fmt::format("{} {:<7}", look.glyph, look.word), look.ink, text);
  }
  if (all.size() > shown) {
    x_page.line(2, "and " + counted(all.size() - shown, "more group", "more groups"));
  }
}

// What children that ended before the others had open then: to look at, and no finding.
void TextReport::left_behind() {
  constexpr size_t kMostLines = 10;
  const auto& all = x_report.left_behind;
  uint64_t count = 0;
  for (const LeftOpen& place : all) count += place.count;
  if (count == 0) return;
  x_page.blank();
  x_page.item(0, "ended before",
              fmt::format("processes that ended earlier left {} open; the kernel closed {} then",
                          counted(count, "descriptor", "descriptors"), count == 1 ? "it" : "them"));
  uint64_t told = 0;
  for (size_t i = 0; i < std::min(all.size(), kMostLines); ++i) {
    x_page.item(0, "", left_open_words(all[i]));
    told += all[i].count;
  }
  if (told < count) {
    x_page.item(0, "",
                fmt::format("{} more at {}: --json lists them all", grouped(count - told),
                            counted(all.size() - kMostLines, "other line", "other lines")));
  }
}

// What a program had open when it ended. Not a finding: it ends with the process, and a short one
// gives no time to tell; but lines to look at.
void TextReport::open_at_end() {
  constexpr size_t kMostLines = 20;
  const auto count = x_report.coverage.open_at_end;
  if (!count || *count == 0) return;
  x_page.blank();
  x_page.item(
      0, "at the end",
      fmt::format("{} opened meanwhile {} still open, and ended with the process",
                  counted(*count, "descriptor", "descriptors"), *count == 1 ? "was" : "were"));
  size_t lines = 0;
  uint64_t untold = 0;
  const auto untold_lines = [&] {
    if (untold == 0) return;
    x_page.item(0, "",
                fmt::format("{} more at {}: --json lists them all", grouped(untold),
                            counted(lines - kMostLines, "other line", "other lines")));
    untold = 0;
  };
  for (const LeftOpen& place : x_report.left_open) {
    if (place.by == OpenedBy::kOwnCode && ++lines > kMostLines) {
      untold += place.count;
      continue;
    }
    untold_lines();
    x_page.item(0, "", left_open_words(place));
  }
  untold_lines();
}

// The nearest to their end first; of those far from it only the first few.
void TextReport::limits() {
  auto all = x_report.judgement.limits;
  if (all.empty()) return;
  const auto left = [](const Limit& limit) {
    return limit.exhausted_in_seconds.value_or(std::numeric_limits<double>::infinity());
  };
  std::stable_sort(all.begin(), all.end(), [&](const Limit& a, const Limit& b) {
    return std::pair(left(a), -share_of(a.use)) < std::pair(left(b), -share_of(b.use));
  });
  x_page.blank();
  size_t shown = 0;
  for (const auto& limit : all) {
    const bool near = limit.exhausted_in_seconds || share_of(limit.use) >= kNearLimit;
    if (!near && shown >= kMostFarLimits) break;
    ++shown;
    x_page.item(0, "limit", limit_words(limit),
                left(limit) < kSoonSeconds ? Ink::kWarn : Ink::kPlain);
  }
  if (all.size() > shown) {
    x_page.item(0, "",
                fmt::format("and {} more, none above {:.0f} %", all.size() - shown,
                            std::ceil(share_of(all[shown].use) * 100)));
  }
}

void TextReport::failures() {
  const auto& all = x_report.judgement.failures;
  for (const bool limit : {true, false}) {
    bool first = true;
    size_t shown = 0;
    for (const auto& one : all) {
      if (is_of_a_limit(one.errno_value) != limit || shown == kMostGroups) continue;
      if (first) {
        x_page.blank();
        x_page.bullet(0, limit ? "failed opens" : "failed attempts", Ink::kDim,
                      limit ? "(victims of the limit, not its cause)"
                            : "(answers of a peer or of the system; no limit was met)");
      }
      first = false;
      ++shown;
      const char* name = ::strerrorname_np(one.errno_value);
      std::string text = fmt::format("{:>6} × {} {}", grouped(one.count), to_string(one.attempt),
                                     name == nullptr ? std::to_string(one.errno_value) : name);
      if (!one.peer.empty()) text += " → " + printable(one.peer);
      if (one.site) text += "  at " + name_and_place(*one.site);
      x_page.bullet(2, "", Ink::kPlain, text);
    }
  }
}

void TextReport::coverage() {
  const auto& coverage = x_report.coverage;
  x_page.blank();
  std::vector<std::string> parts;
  parts.push_back("rung " + printable(x_report.rung));
  parts.push_back(fmt::format(
      "{} open, {} with the stack of their opening, {} from before the attach",
      grouped(coverage.open), grouped(coverage.traced), grouped(coverage.before_attach)));
  parts.push_back(counted(coverage.events_lost, "event lost", "events lost"));
  if (coverage.stacks_truncated > 0) {
    parts.push_back(counted(coverage.stacks_truncated, "stack truncated", "stacks truncated"));
  }
  if (coverage.stacks_sampled_out > 0) {
    parts.push_back(counted(coverage.stacks_sampled_out, "stack", "stacks") + " sampled out");
  }
  parts.push_back(fmt::format("drift {}", coverage.drift));
  x_page.item(0, "coverage", fmt::format("{}", fmt::join(parts, " · ")));
  for (const auto& probe : coverage.probes) {
    x_page.item(0, "",
                fmt::format("probe on {}: {}", printable(probe.function), printable(probe.why)));
  }
  for (const auto& note : coverage.notes) x_page.item(0, "", printable(note));
  if (x_report.cost) cost(*x_report.cost);
}

void TextReport::cost(const Cost& cost) {
  const double window = seconds(x_report.ended - x_report.started);
  std::string text = fmt::format("attached in {:.2f} s", cost.attach_seconds);
  if (cost.stacks > 0 && window > 0) {
    text += fmt::format(" · {} at {:.1f} µs, {:.2f} % of a core",
                        counted(cost.stacks, "stack", "stacks"),
                        cost.stack_seconds / static_cast<double>(cost.stacks) * 1e6,
                        cost.stack_seconds / window * 100);
  }
  constexpr double kMega = 1e6;
  text += fmt::format(" · {:.0f} MB here, {:.0f} MB in the kernel",
                      static_cast<double>(cost.resident_bytes) / kMega,
                      static_cast<double>(cost.kernel_bytes) / kMega);
  x_page.item(0, "cost", text);
}

}  // namespace

std::string report_text(const Report& report, const TextOptions& options,
                        const SourceReader& source) {
  return TextReport(report, options, source).write();
}

}  // namespace unclosed
