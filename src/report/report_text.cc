#include "report/report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <set>

#include "report/owner_json.h"
#include "report/printable.h"
#include "report/text_page.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostGroups = 12;
constexpr size_t kMostSamples = 3;
constexpr size_t kMostCallers = 6;
constexpr uint32_t kAround = 2;  // source lines before and after the blamed one
constexpr size_t kTab = 4;
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
    for (const auto& finding : x_report.judgement.findings) write_finding(finding);
    if (x_report.judgement.findings.empty()) nothing_found();
    taken_back();
    if (x_options.all_groups || x_report.judgement.findings.empty()) groups();
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
  void write_finding(const Finding& finding);
  void headline(const Finding& finding);
  void blame(const Finding& finding);
  void snippet(const Site& site);
  void sites(const Finding& finding);
  void site_item(std::string_view label, const std::optional<Site>& site,
                 const std::vector<SiteCount>& all);
  void callers(const Finding& finding);
  void evidence(const Finding& finding);
  void samples(const Finding& finding);
  void nothing_found();
  void taken_back();
  void groups();
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

void TextReport::write_finding(const Finding& finding) {
  x_page.blank();
  headline(finding);
  blame(finding);
  sites(finding);
  callers(finding);
  evidence(finding);
  samples(finding);
  x_page.item(2, "diagnosis", remedy(finding.diagnosis));
}

void TextReport::headline(const Finding& finding) {
  const auto look = look_of(finding.verdict);
  std::string head = fmt::format("{} {}", look.glyph, look.word);
  const bool all_healed = finding.count == 0;
  const uint64_t shown = all_healed ? finding.healed : finding.count;
  std::string text = fmt::format("{}  {} {}", printable(finding.fingerprint), grouped(shown),
                                 things(finding.kind, shown));
  if (!finding.peer.empty()) {
    text += finding.role == Role::kServer ? " accepted on " : " → ";
    text += printable(finding.peer);
  }
  text +=
      fmt::format("  {} in {}", growth_words(finding.growth_per_minute), duration_words(window()));
  x_page.bullet(0, head, look.ink, text);

  std::vector<std::string> parts;
  for (const auto& [state, count] : finding.states) {
    if (state != TcpState::kNone)
      parts.push_back(fmt::format("{} {}", grouped(count), to_string(state)));
  }
  const auto older = static_cast<uint64_t>(
      std::count_if(finding.connections.begin(), finding.connections.end(),
                    [](const FoundConnection& one) { return one.before_attach; }));
  if (older > 0 || finding.older_matched > 0) {
    parts.push_back(fmt::format("{} of them opened before the attach",
                                grouped(std::max(older, finding.older_matched))));
  }
  if (finding.healed > 0) {
    parts.push_back(all_healed ? "each healed by the collector"
                               : fmt::format("{} more healed by the collector",
                                             grouped(finding.healed)));
  }
  std::set<pid_t> pids;
  for (const auto& connection : finding.connections) pids.insert(connection.descriptor.process.pid);
  if (pids.size() > 1) parts.push_back(fmt::format("in {} processes", pids.size()));
  if (!parts.empty()) x_page.bullet(2, "", Ink::kPlain, fmt::format("{}", fmt::join(parts, " · ")));
}

void TextReport::blame(const Finding& finding) {
  if (!finding.blame) {
    const auto& reason = finding.no_blame_reason;
    x_page.item(2, "blamed",
                "no line: " + (reason.empty() ? "the stacks do not tell" : printable(reason)),
                Ink::kBold);
    return;
  }
  const auto& blame = *finding.blame;
  x_page.item(2, "blamed", name_and_place(blame.site), Ink::kBold);
  snippet(blame.site);
  x_page.item(2, "rule",
              fmt::format("{} ({}); confidence {:.0f} %", printable(blame.rule),
                          to_string(blame.role), blame.confidence * 100));
}

// The line and its neighbours, without the indentation that they share.
void TextReport::snippet(const Site& site) {
  if (!x_source || site.file.empty() || site.line == 0) return;
  const uint32_t first = site.line > kAround ? site.line - kAround : 1;
  auto lines = x_source(site.file, first, site.line + kAround);
  if (lines.empty()) x_page.item(2, "", "(its source cannot be read here)");
  size_t shared = SIZE_MAX;
  for (auto& line : lines) {
    std::string spaced;
    for (const char c : line.text) {
      if (c == '\t')
        spaced.append(kTab - spaced.size() % kTab, ' ');
      else if (c != '\r')
        spaced += c;
    }
    line.text = std::move(spaced);
    const size_t start = line.text.find_first_not_of(' ');
    if (start != std::string::npos) shared = std::min(shared, start);
  }
  for (const auto& line : lines) {
    const bool here = line.number == site.line;
    const std::string code = line.text.size() > shared ? printable(line.text.substr(shared)) : "";
    std::string text = fmt::format("{} {:>5} │ ", here ? "▶" : " ", line.number);
    const size_t indent = 4;
    text += fit(code, x_page.width() - std::min(x_page.width() - 1, indent + columns(text)));
    while (text.ends_with(' ')) text.pop_back();
    x_page.line(indent, x_page.paint(text, here ? Ink::kBold : Ink::kPlain));
  }
}

void TextReport::site_item(std::string_view label, const std::optional<Site>& site,
                           const std::vector<SiteCount>& all) {
  if (!site) return;
  std::string text = name_and_place(*site);
  uint64_t total = 0, here = 0;
  for (const auto& one : all) {
    total += one.count;
    if (one.site == *site) here += one.count;
  }
  if (total > here && here > 0) text += fmt::format("  ({} of {})", grouped(here), grouped(total));
  x_page.item(2, label, text);
  size_t shown = 0;
  for (const auto& one : all) {
    if (one.site == *site || shown == 2) continue;
    ++shown;
    x_page.item(2, "", fmt::format("also {}  ({})", name_and_place(one.site), grouped(one.count)));
  }
}

void TextReport::sites(const Finding& finding) {
  site_item("opened", finding.opened, finding.all_opened);
  site_item("borrowed", finding.borrowed, {});
  site_item("last used", finding.used, finding.all_used);
  site_item("held", finding.held, {});
  if (!finding.normally_closed_at) {
    x_page.item(2, "siblings",
                finding.siblings_closed == 0
                    ? "no sibling was seen being closed or handed back"
                    : fmt::format("{} were closed; no closing that was looked at shows your code",
                                  grouped(finding.siblings_closed)));
    return;
  }
  const auto& normal = *finding.normally_closed_at;
  x_page.item(2, "siblings",
              fmt::format("are {} at {}", to_string(normal.how), name_and_place(normal.site)));
}

namespace {

// Who started the goroutine or thread of a stack without own frames, as far as that is own code.
std::string starters(const std::vector<NamedFrame>& frames) {
  std::vector<std::string> own;
  for (const auto& frame : frames) {
    if (!frame.own || own.size() == kMostCallers) continue;
    own.push_back(fmt::format("{} {}:{}", printable(frame.function),
                              printable(base_name(frame.file)), frame.line));
  }
  return own.empty() ? "" : fmt::format("; started by {}", fmt::join(own, " ← "));
}

}  // namespace

// The user's own frames of one member, innermost first, for each stack that it has.
void TextReport::callers(const Finding& finding) {
  if (finding.connections.empty()) return;
  const auto& connections = finding.connections;
  auto member = std::find_if(connections.begin(), connections.end(), [&](const auto& one) {
    return x_report.stacks.count(one.opened) > 0 && x_report.stacks.count(one.used) > 0;
  });
  if (member == connections.end()) {
    member = std::find_if(connections.begin(), connections.end(), [&](const auto& one) {
      return x_report.stacks.count(one.opened) > 0 || x_report.stacks.count(one.used) > 0;
    });
  }
  if (member == connections.end()) return;
  const auto chain = [&](std::string_view label, StackId id) {
    const auto found = x_report.stacks.find(id);
    if (id == kNoStack || found == x_report.stacks.end()) return;
    const auto& [frames, truncated, started, places] = found->second;
    std::vector<std::string> own;
    for (const auto& frame : frames) {
      if (!frame.own) continue;
      const auto file = frame.file.empty() ? "" : printable(base_name(frame.file));
      own.push_back(file.empty()
                        ? printable(frame.function)
                        : fmt::format("{} {}:{}", printable(frame.function), file, frame.line));
    }
    const size_t all = own.size();
    if (all > kMostCallers) own.resize(kMostCallers);
    std::string text = own.empty() ? fmt::format("{}, none of them the service's own code",
                                                 counted(frames.size(), "frame", "frames"))
                                   : fmt::format("{}", fmt::join(own, " ← "));
    if (all > own.size() && !own.empty()) text += fmt::format(" ← {} more", all - own.size());
    if (own.empty()) text += starters(started);
    if (truncated != Truncation::kNone) {
      text += fmt::format(" [truncated: {}]", to_string(truncated));
    }
    x_page.item(2, label, text);
  };
  chain("open stack", member->opened);
  chain("borrow stack", member->borrowed);
  chain("use stack", member->used);
}

void TextReport::evidence(const Finding& finding) {
  for (const bool in_favour : {true, false}) {
    for (const auto& one : finding.evidence) {
      if (one.in_favour != in_favour) continue;
      x_page.bullet(2, in_favour ? "+" : "-", in_favour ? Ink::kBad : Ink::kGood,
                    fmt::format("{}{}: {}", printable(one.kind),
                                one.conclusive ? " (conclusive)" : "", printable(one.text)));
    }
  }
}

void TextReport::samples(const Finding& finding) {
  size_t shown = 0;
  for (const auto& one : finding.connections) {
    if (shown++ == kMostSamples) break;
    std::vector<std::string> parts;
    parts.push_back(fmt::format("fd {} of {}", one.descriptor.fd, one.descriptor.process.pid));
    if (one.state != TcpState::kNone) parts.emplace_back(to_string(one.state));
    if (!one.local.empty() && !one.peer.empty()) {
      parts.push_back(fmt::format("{} → {}", printable(one.local), printable(one.peer)));
    } else if (!one.peer.empty() || !one.local.empty()) {
      parts.push_back(printable(one.peer.empty() ? one.local : one.peer));
    }
    parts.push_back(
        fmt::format("{}{} old", one.before_attach ? "over " : "", duration_words(one.age_seconds)));
    if (one.idle_seconds) parts.push_back("idle " + duration_words(*one.idle_seconds));
    if (one.recv_queue > 0) parts.push_back(grouped(one.recv_queue) + " B unread");
    if (one.send_queue > 0) parts.push_back(grouped(one.send_queue) + " B not acknowledged");
    if (one.last_actor.goroutine != 0) {
      parts.push_back(fmt::format("goroutine {}", one.last_actor.goroutine));
    } else if (one.last_actor.thread != 0) {
      parts.push_back(fmt::format("thread {}", one.last_actor.thread));
    }
    x_page.item(2, shown == 1 ? "oldest" : "", fmt::format("{}", fmt::join(parts, " · ")));
    if (one.owner != nullptr) {
      if (const auto owner = owner_words(*one.owner); !owner.empty())
        x_page.item(2, "", fmt::format("  {}", fmt::join(owner, "; ")));
    }
  }
  const auto all = finding.connections.size();
  if (all > kMostSamples)
    x_page.item(2, "", fmt::format("and {} more", grouped(all - kMostSamples)));
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

  std::map<Kind, uint64_t> kinds;
  for (const auto& group : all) kinds[group.kind] += group.count;
  std::vector<std::string> parts;
  for (const auto& [kind, count] : kinds) {
    parts.push_back(grouped(count) + " " + things(kind, count));
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
    std::string text =
        fmt::format("{:>6} {}", grouped(group.count), things(group.kind, group.count));
    if (!group.peer.empty()) text += " → " + printable(group.peer);
    if (group.opened) text += "  opened at " + name_and_place(*group.opened);
    const auto waits = std::find_if(
        group.evidence.begin(), group.evidence.end(),
        [](const Evidence& one) { return one.kind == "awaiting-answer"; });
    if (waits != group.evidence.end()) text += "; slow: " + printable(waits->text);
    x_page.bullet(2, fmt::format("{} {:<7}", look.glyph, look.word), look.ink, text);
  }
  if (all.size() > shown) x_page.line(2, fmt::format("and {} more groups", all.size() - shown));
}

// What a program had open when it ended. Not a finding: it ends with the process, and a short one
// gives no time to tell; but a line to look at.
void TextReport::open_at_end() {
  constexpr size_t kMostSites = 5;
  const auto count = x_report.coverage.open_at_end;
  if (!count || *count == 0) return;
  struct Opened {
    Site site;
    Kind kind;
    uint64_t count;
  };
  std::vector<Opened> sites;
  for (const auto& group : x_report.judgement.groups) {
    if (!group.opened || group.count == 0) continue;
    const auto known = std::find_if(sites.begin(), sites.end(), [&](const Opened& other) {
      return other.site == *group.opened && other.kind == group.kind;
    });
    if (known != sites.end()) {
      known->count += group.count;
    } else {
      sites.push_back({*group.opened, group.kind, group.count});
    }
  }
  std::stable_sort(sites.begin(), sites.end(),
                   [](const Opened& a, const Opened& b) { return a.count > b.count; });
  x_page.blank();
  x_page.item(
      0, "at the end",
      fmt::format("{} opened meanwhile {} still open, and ended with the process",
                  counted(*count, "descriptor", "descriptors"), *count == 1 ? "was" : "were"));
  for (size_t i = 0; i < std::min(sites.size(), kMostSites); ++i) {
    x_page.item(
        0, "",
        fmt::format("{} {} opened at {}", grouped(sites[i].count),
                    things(sites[i].kind, sites[i].count), name_and_place(sites[i].site)));
  }
  if (sites.size() > kMostSites) {
    x_page.item(0, "", fmt::format("and at {} more lines", sites.size() - kMostSites));
  }
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
