#include "report/finding_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/unnamed.h"
#include "report/owner_json.h"
#include "report/printable.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostSamples = 3;
constexpr size_t kMostCallers = 6;
constexpr uint32_t kAround = 2;  // source lines before and after the blamed one
constexpr size_t kTab = 4;

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

// A stack without own frames.
std::string foreign(const std::vector<NamedFrame>& frames, const std::string& exe) {
  const auto all = counted(frames.size(), "frame", "frames");
  const auto unnamed = unnamed_place(frames, exe);
  if (!unnamed) return all + ", none of them the service's own code";
  return fmt::format("{}, of the program itself {}, which has no name", all, printable(*unnamed));
}

}  // namespace

void FindingText::write(const Finding& finding) {
  x_page.blank();
  headline(finding);
  blame(finding);
  sites(finding);
  callers(finding);
  evidence(finding);
  samples(finding);
  x_page.item(2, "diagnosis", remedy(finding.diagnosis));
}

void FindingText::headline(const Finding& finding) {
  const auto look = look_of(finding.verdict);
  std::string head = fmt::format("{} {}", look.glyph, look.word);
  const bool all_healed = finding.count == 0;
  std::string text = printable(finding.fingerprint) + "  " + members_words(finding);
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

void FindingText::blame(const Finding& finding) {
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
void FindingText::snippet(const Site& site) {
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

void FindingText::site_item(std::string_view label, const std::optional<Site>& site,
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

void FindingText::sites(const Finding& finding) {
  site_item("opened", finding.opened, finding.all_opened);
  site_item("borrowed", finding.borrowed, {});
  site_item("last used", finding.used, finding.all_used);
  site_item("told end", finding.told, {});
  site_item("held", finding.held, {});
  site_item("duplicated", finding.duplicated, {});
  site_item("received", finding.received, {});
  if (finding.copies > 0) return;
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

// The user's own frames of one member, innermost first, for each stack that it has.
void FindingText::callers(const Finding& finding) {
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
  const auto& processes = x_report.processes;
  const auto process = std::find_if(
      processes.begin(), processes.end(),
      [&](const ProcessInfo& one) { return one.id == member->descriptor.process; });
  const std::string exe = process == processes.end() ? "" : process->exe;
  const auto chain = [&](std::string_view label, StackId id) {
    const auto found = x_report.stacks.find(id);
    if (id == kNoStack || found == x_report.stacks.end()) return;
    const auto& [frames, truncated, started, places] = found->second;
    std::vector<std::string> own;
    for (const auto& frame : frames) {
      if (!frame.own) continue;
      own.push_back(short_name_and_place({frame.function, frame.file, frame.line}));
    }
    const size_t all = own.size();
    if (all > kMostCallers) own.resize(kMostCallers);
    std::string text =
        own.empty() ? foreign(frames, exe) : fmt::format("{}", fmt::join(own, " ← "));
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
  chain("told stack", member->told);
}

void FindingText::evidence(const Finding& finding) {
  for (const bool in_favour : {true, false}) {
    for (const auto& one : finding.evidence) {
      if (one.in_favour != in_favour) continue;
      x_page.bullet(2, in_favour ? "+" : "-", in_favour ? Ink::kBad : Ink::kGood,
                    fmt::format("{}{}: {}", printable(one.kind),
                                one.conclusive ? " (conclusive)" : "", printable(one.text)));
    }
  }
}

void FindingText::samples(const Finding& finding) {
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

}  // namespace unclosed
