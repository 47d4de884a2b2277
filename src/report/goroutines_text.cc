#include "report/goroutines_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "report/listing_text.h"
#include "report/printable.h"
#include "report/text_page.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostFrames = 8;   // of a stack
constexpr size_t kMostCourse = 12;  // counts of captures that are shown

std::string place(const NamedFrame& frame) {
  if (frame.file.empty()) return {};
  if (frame.line == 0) return printable(frame.file);
  return fmt::format("{}:{}", printable(frame.file), frame.line);
}

std::string name_and_place(const NamedFrame& frame) {
  const auto where = place(frame);
  return where.empty() ? printable(frame.function) : printable(frame.function) + "  " + where;
}

std::string name_and_file(const NamedFrame& frame) {
  if (frame.file.empty()) return printable(frame.function);
  return fmt::format("{} {}:{}", printable(frame.function), printable(base_name(frame.file)),
                     frame.line);
}

// "a.f f.go:3 ← b.g g.go:9", from the frame at `from` outwards. A chain of the same function, a
// recursion, is one.
std::string chain(const std::vector<NamedFrame>& stack, size_t from) {
  std::vector<std::string> parts;
  size_t at = from, end = stack.size();
  // Every goroutine ends in runtime.goexit, where that is shown.
  while (end > from + 1 && stack[end - 1].function == "runtime.goexit") --end;
  while (at < end && parts.size() < kMostFrames) {
    size_t same = 1;
    while (at + same < end && stack[at + same].function == stack[at].function) ++same;
    parts.push_back(name_and_file(stack[at]));
    if (same > 2) parts.back() += fmt::format(" (and {} times more)", same - 1);
    at += same > 2 ? same : 1;
  }
  std::string text = fmt::format("{}", fmt::join(parts, " ← "));
  if (at < end) text += fmt::format(" ← {} more", end - at);
  return text;
}

std::string bytes(int64_t count) {
  const auto size = static_cast<uint64_t>(std::abs(count));
  return short_bytes(size) + "B";
}

std::string signed_bytes(int64_t count) { return (count < 0 ? "-" : "+") + bytes(count); }

std::string signed_count(int64_t count) {
  return (count < 0 ? "-" : "+") + grouped(static_cast<uint64_t>(std::abs(count)));
}

std::string missing(Truncation truncation) {
  if (truncation == Truncation::kNone) return {};
  if (truncation == Truncation::kUnreadable) return " [cut]";
  if (truncation == Truncation::kDepth) return " [deeper than was kept]";
  return fmt::format(" [truncated: {}]", to_string(truncation));
}

// Whoever looks is among those who are looked at.
bool asks_for_this(const GoroutineGroup& group) {
  return std::any_of(group.stack.begin(), group.stack.end(), [](const NamedFrame& frame) {
    return frame.function.starts_with("net/http/pprof.");
  });
}

std::string wait_words(const WaitSeconds& wait) {
  if (wait.min == wait.max) return fmt::format("for at least {}", duration_words(wait.max));
  if (wait.min == 0) return fmt::format("for up to {}", duration_words(wait.max));
  return fmt::format("for {} to {}", duration_words(wait.min), duration_words(wait.max));
}

class TextGoroutines {
 public:
  TextGoroutines(const GoroutineCapture& capture, const GoroutinesStyle& style)
      : x_capture(capture),
        x_style(style),
        x_page(std::max<size_t>(style.width, 40), style.colour) {}

  std::string write() {
    header();
    if (x_capture.goroutines > 0) parked();
    groups();
    leaked();
    allocations();
    contentions();
    foot();
    return x_page.take();
  }

 private:
  void header() {
    std::string text = printable(x_capture.source);
    if (!x_capture.go.empty()) text += " · " + printable(x_capture.go);
    x_page.bullet(0, "unclosed go", Ink::kBold, text);
    if (x_capture.goroutines == 0) return;
    std::string counts = counted(x_capture.goroutines, "goroutine", "goroutines");
    if (x_capture.growth) {
      counts += fmt::format(", {}", signed_count(*x_capture.growth));
      if (x_capture.seconds_between) counts += " in " + duration_words(*x_capture.seconds_between);
    }
    x_page.line(2, counts);
  }

  void parked() {
    std::array<uint64_t, kParkedKinds> counts{};
    for (const GoroutineGroup& group : x_capture.groups)
      counts[static_cast<size_t>(parked_in(group))] += group.count;
    std::vector<std::pair<uint64_t, Parked>> order;
    for (size_t i = 0; i < kParkedKinds; ++i)
      if (counts[i] > 0) order.emplace_back(counts[i], static_cast<Parked>(i));
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<std::string> words;
    for (const auto& [count, parked] : order) {
      words.push_back(fmt::format(
          "{} {}", parked == Parked::kUnknown ? "not told" : to_string(parked), grouped(count)));
    }
    x_page.item(2, "parked in", fmt::format("{}", fmt::join(words, " · ")));
  }

  void groups() {
    const auto& all = x_capture.groups;
    const size_t shown = std::min(x_style.top, all.size());
    for (size_t i = 0; i < shown; ++i) write_group(all[i]);
    uint64_t left = x_capture.others;
    for (size_t i = shown; i < all.size(); ++i) left += all[i].count;
    if (left == 0) return;
    x_page.blank();
    const std::string command =
        all.size() > shown ? fmt::format("; --top {} shows all", all.size()) : "";
    x_page.line(
        0, fmt::format("and {} in {}{}", counted(left, "goroutine", "goroutines"),
                       all.size() > shown ? counted(all.size() - shown, "more group", "more groups")
                                          : std::string("groups that were not kept"),
                       command));
  }

  void headline(const GoroutineGroup& group) {
    const int64_t growth = group.growth.value_or(0);
    std::vector<std::string> parts;
    if (growth != 0) parts.push_back(counted(group.count, "goroutine", "goroutines"));
    if (growth == 0) parts.emplace_back(group.count == 1 ? "goroutine" : "goroutines");
    if (!group.state.empty()) parts.back() += fmt::format(" [{}]", printable(group.state));
    if (group.wait) parts.push_back(wait_words(*group.wait));
    if (group.locked_to_thread == group.count) {
      parts.emplace_back("locked to thread");
    } else if (group.locked_to_thread > 0) {
      parts.push_back(fmt::format("{} locked to thread", grouped(group.locked_to_thread)));
    }
    if (asks_for_this(group)) parts.emplace_back("asks for this profile");
    if (group.leaked > 0) parts.emplace_back("leaked, says the runtime");
    const std::string mark = growth == 0  ? grouped(group.count)
                             : growth > 0 ? "▲ " + signed_count(growth)
                                          : "▼ " + signed_count(growth);
    const Ink ink = growth > 0 ? Ink::kBad : growth < 0 ? Ink::kGood : Ink::kBold;
    x_page.bullet(0, mark, ink, fmt::format("{}", fmt::join(parts, " · ")));
  }

  void write_group(const GoroutineGroup& group) {
    x_page.blank();
    headline(group);
    const auto blocked = blocked_at(group), own = own_frame(group);
    const std::string_view where = parked_in(group) == Parked::kRunning ? "runs at" : "blocked at";
    if (blocked && blocked != own) x_page.item(2, where, name_and_place(group.stack[*blocked]));
    if (own) {
      x_page.item(2, blocked == own ? where : "own line", name_and_place(group.stack[*own]),
                  Ink::kBold);
    }
    if (group.created_by) {
      std::string text = name_and_place(*group.created_by);
      if (group.parent != 0) text += fmt::format("  (goroutine {})", group.parent);
      x_page.item(2, "created by", text, !own && group.created_by->own ? Ink::kBold : Ink::kPlain);
    }
    for (const auto& ancestor : group.ancestors)
      if (!ancestor.empty()) x_page.item(2, "and before", chain(ancestor, 0));
    std::string stack = chain(group.stack, blocked.value_or(0));
    if (group.stack.empty()) stack = "not told: it was running on another thread";
    stack += missing(group.truncated);
    if (blocked.value_or(0) + 1 < group.stack.size() || group.stack.empty() ||
        group.truncated != Truncation::kNone)
      x_page.item(2, "stack", stack);
    course(group);
    if (!group.ids.empty()) {
      std::string ids = fmt::format("{}", fmt::join(group.ids, ", "));
      if (group.count > group.ids.size())
        ids += fmt::format(" and {} more", grouped(group.count - group.ids.size()));
      x_page.item(2, group.count == 1 ? "goroutine" : "goroutines", ids);
    }
  }

  void course(const GoroutineGroup& group) {
    if (group.course.size() < 3 || group.growth.value_or(0) == 0) return;
    std::vector<std::string> counts;
    const size_t skipped =
        group.course.size() > kMostCourse ? group.course.size() - kMostCourse : 0;
    for (size_t i = skipped; i < group.course.size(); ++i)
      counts.push_back(grouped(group.course[i]));
    x_page.item(2, "course",
                (skipped > 0 ? "… → " : "") + fmt::format("{}", fmt::join(counts, " → ")));
  }

  void leaked() {
    if (x_capture.leaked.empty()) return;
    uint64_t all = 0;
    for (const GoroutineGroup& group : x_capture.leaked) all += group.count;
    x_page.blank();
    x_page.line(0, x_page.paint(fmt::format("✖ {} can never run again, says the runtime's detector",
                                            counted(all, "goroutine", "goroutines")),
                                Ink::kBad));
    for (size_t i = 0; i < std::min(x_style.top, x_capture.leaked.size()); ++i) {
      const GoroutineGroup& group = x_capture.leaked[i];
      x_page.bullet(2, grouped(group.count), Ink::kBold,
                    chain(group.stack, blocked_at(group).value_or(0)));
    }
  }

  // A site by its own line; the innermost outside of the runtime where there is none.
  static std::string site_words(const std::vector<NamedFrame>& stack) {
    if (stack.empty()) return "(no stack)";
    size_t at = own_frame(stack).value_or(stack.size());
    std::string text;
    if (at < stack.size()) {
      text = name_and_place(stack[at]);
      if (at > 0) text += fmt::format("  by {}", printable(stack.front().function));
      return text;
    }
    return chain(stack, 0);
  }

  void allocations() {
    const bool compared =
        !x_capture.allocations.empty() && x_capture.allocations.front().growth_bytes.has_value();
    std::vector<const AllocationSite*> shown;
    for (const AllocationSite& site : x_capture.allocations) {
      if (shown.size() == x_style.top) break;
      if (compared ? *site.growth_bytes > 0 : site.in_use_bytes > 0) shown.push_back(&site);
    }
    if (x_capture.allocations.empty()) return;
    x_page.blank();
    if (shown.empty()) {
      x_page.line(0,
                  compared ? "memory: no site grew" : "memory: nothing is in use, says the sample");
      return;
    }
    x_page.line(0, x_page.paint(compared ? x_capture.goroutines > 0 ? "memory that grew along"
                                                                    : "memory that grew"
                                         : "memory in use",
                                Ink::kBold));
    for (const AllocationSite* site : shown) {
      const std::string now =
          fmt::format("{} in {}", bytes(site->in_use_bytes),
                      counted(static_cast<uint64_t>(std::max<int64_t>(0, site->in_use_objects)),
                              "object", "objects"));
      const std::string mark =
          compared ? signed_bytes(*site->growth_bytes) : bytes(site->in_use_bytes);
      x_page.bullet(
          2, fmt::format("{:>8}", mark), compared ? Ink::kWarn : Ink::kPlain,
          site_words(site->stack) + (compared ? "  (" + now + " now)" : "  (" + now + ")"));
    }
  }

  void contentions() {
    if (x_capture.contentions.empty()) return;
    x_page.blank();
    x_page.line(0, x_page.paint("waits for each other", Ink::kBold));
    for (size_t i = 0; i < std::min(x_style.top, x_capture.contentions.size()); ++i) {
      const ContentionSite& site = x_capture.contentions[i];
      const double shown = site.growth_seconds.value_or(site.delay_seconds);
      std::string text = site_words(site.stack);
      text += fmt::format(
          "  ({} in all, {})", duration_words(site.delay_seconds),
          counted(static_cast<uint64_t>(std::max<int64_t>(0, site.contentions)), "time", "times"));
      x_page.bullet(2, fmt::format("{}{}", site.growth_seconds ? "+" : "", duration_words(shown)),
                    Ink::kPlain, text);
    }
  }

  void foot() {
    x_page.blank();
    if (x_capture.damaged_at) {
      x_page.item(0, "damaged",
                  fmt::format("from byte {} on; what could be read before and behind is counted",
                              grouped(*x_capture.damaged_at)),
                  Ink::kWarn);
    }
    for (const std::string& note : x_capture.notes) x_page.item(0, "note", printable(note));
    x_page.item(0, "coverage", "rung " + x_capture.rung);
    if (!x_style.next_command.empty()) x_page.item(0, "next", x_style.next_command);
  }

  const GoroutineCapture& x_capture;
  const GoroutinesStyle& x_style;
  TextPage x_page;
};

}  // namespace

std::string goroutines_text(const GoroutineCapture& capture, const GoroutinesStyle& style) {
  return TextGoroutines(capture, style).write();
}

}  // namespace unclosed
