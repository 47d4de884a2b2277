#include "report/held_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "report/printable.h"
#include "report/text_words.h"

namespace unclosed {
namespace {

constexpr size_t kMostNumbers = 12;

std::string place_words(const NamedFrame& frame) {
  std::string text = printable(frame.function);
  if (!frame.file.empty()) text += fmt::format(" {}:{}", printable(frame.file), frame.line);
  return text;
}

std::string variable_words(const Holder& holder) {
  std::string text = printable(holder.name);
  if (text.empty()) {
    text = "a package variable";
    for (size_t i = 0; i < holder.used_by.size(); ++i)
      text +=
          fmt::format("{}{}", i == 0 ? " that these use: " : ", ", printable(holder.used_by[i]));
  }
  if (!holder.type.empty()) text += fmt::format(" ({})", printable(holder.type));
  return text;
}

std::string goroutine_words(const Holder& holder) {
  std::string text = fmt::format("goroutine {}", holder.goroutine);
  if (holder.alike > 1) {
    text = fmt::format("{} goroutines that began alike and reach it, the oldest is {}",
                       grouped(holder.alike), holder.goroutine);
  }
  if (holder.deferred) text += " by a call that it deferred";
  if (holder.own_frame) {
    text += " in " + place_words(*holder.own_frame);
    if (holder.frame) text += fmt::format(" (inside {})", printable(holder.frame->function));
  } else if (holder.frame) {
    text += " in " + place_words(*holder.frame);
  }
  return text;
}

// Labels and texts.
using Lines = std::vector<std::pair<std::string, std::string>>;

// Descriptors that are told of in the same words.
struct Way {
  Lines lines;
  std::vector<int> numbers;
};

Lines lines_of(const Held& held) {
  Lines lines;
  const std::string by = holder_words(held.holder);
  if (!by.empty()) lines.emplace_back("held by", by);
  const std::string chain = chain_words(held.holder);
  if (!chain.empty()) lines.emplace_back("through", chain);
  for (const Holder& other : held.others) lines.emplace_back("also", holder_words(other));
  if (!held.free_list.empty()) {
    lines.emplace_back("free list", fmt::format("{} has it: it was given back, and waits for its "
                                                "next use",
                                                printable(held.free_list)));
  }
  if (!held.why.empty()) lines.emplace_back(by.empty() ? "not known" : "because", held.why);
  return lines;
}

std::string numbers_of(const Way& way) {
  std::string text;
  for (size_t i = 0; i < std::min(way.numbers.size(), kMostNumbers); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", way.numbers[i]);
  if (way.numbers.size() > kMostNumbers)
    text += fmt::format(" and {} more", grouped(way.numbers.size() - kMostNumbers));
  return text;
}

}  // namespace

std::string holder_words(const Holder& holder) {
  switch (holder.kind) {
    case HolderKind::kVariable:
      return variable_words(holder);
    case HolderKind::kGoroutine:
      return goroutine_words(holder);
    case HolderKind::kRuntime:
      return "a list of the runtime itself, as of timers";
    case HolderKind::kGarbage:
      return "nobody: it is garbage";
    case HolderKind::kUnknown:
      return "";
  }
  return "";
}

std::string chain_words(const Holder& holder) {
  std::string text;
  size_t unknown = 0;
  uint64_t size = 0;
  const auto add = [&](const std::string& words) {
    text += fmt::format("{}{}", text.empty() ? "" : " → ", words);
  };
  const auto flush = [&] {
    if (unknown == 1) add(fmt::format("object of {} bytes", size));
    if (unknown > 1) add(fmt::format("{} objects", unknown));
    unknown = 0;
  };
  for (const HeldStep& step : holder.chain) {
    if (step.inner) continue;
    if (step.type.empty()) {
      ++unknown;
      size = step.size;
      continue;
    }
    flush();
    add(printable(step.type) + (step.field.empty() ? "" : "." + printable(step.field)));
  }
  flush();
  return text;
}

void write_held(const HeldReport& report, size_t top, TextPage& page) {
  std::vector<Way> ways;
  std::map<Lines, size_t> places;
  for (const Held& held : report.held) {
    auto lines = lines_of(held);
    const auto [known, fresh] = places.emplace(lines, ways.size());
    if (fresh) ways.push_back({std::move(lines), {}});
    ways[known->second].numbers.push_back(held.fd);
  }
  std::stable_sort(ways.begin(), ways.end(),
                   [](const Way& a, const Way& b) { return a.numbers.size() > b.numbers.size(); });
  for (size_t i = 0; i < std::min(top, ways.size()); ++i) {
    const Way& way = ways[i];
    const size_t many = way.numbers.size();
    page.blank();
    page.bullet(0, many == 1 ? "descriptor" : fmt::format("{} descriptors", grouped(many)),
                Ink::kBold, numbers_of(way));
    for (const auto& [label, text] : way.lines) page.item(2, label, text);
  }
  if (ways.size() > top) {
    page.blank();
    page.line(0, fmt::format("and {} more ways to hold one", grouped(ways.size() - top)));
  }
  page.blank();
  std::string reach = fmt::format("{} objects followed", grouped(report.objects));
  if (!report.complete) reach += ", as far as was needed";
  if (report.changed > 0)
    reach += fmt::format("; {} links changed meanwhile and are not told", grouped(report.changed));
  if (report.left_out > 0)
    reach += fmt::format("; {} objects beyond the limits", grouped(report.left_out));
  page.item(0, "heap", reach);
}

}  // namespace unclosed
