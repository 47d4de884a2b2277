#include "report/explanation_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/printable.h"
#include "report/text_page.h"

namespace unclosed {
namespace {

constexpr size_t kShownPools = 5, kShownGroups = 5;

std::string_view word_of(Diagnosis diagnosis) {
  switch (diagnosis) {
    case Diagnosis::kLeak:
      return "LEAK";
    case Diagnosis::kSlow:
      return "SLOW";
    case Diagnosis::kLimitTooSmall:
      return "TOO SMALL";
    case Diagnosis::kUnknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

Ink ink_of(Diagnosis diagnosis) { return diagnosis == Diagnosis::kLeak ? Ink::kBad : Ink::kWarn; }

// What follows from the diagnosis: the remedies are opposite.
std::string_view remedy(Diagnosis diagnosis) {
  switch (diagnosis) {
    case Diagnosis::kLeak:
      return "give them back on every path; a larger pool only fills later";
    case Diagnosis::kSlow:
      return "make the statement faster or give it a deadline; nothing is lost";
    case Diagnosis::kLimitTooSmall:
      return "raise the pool's bound, as far as the server takes it";
    case Diagnosis::kUnknown:
      return "";
  }
  return "";
}

std::string sources_line(const Explanation& explanation) {
  std::string text;
  for (const auto& source : explanation.sources)
    text += (text.empty() ? "" : ", ") + printable(source);
  if (explanation.lines > 0)
    text +=
        fmt::format("  ({} line{})", grouped(explanation.lines), explanation.lines == 1 ? "" : "s");
  return text;
}

void put_death(const Explanation& explanation, TextPage& page) {
  const Death& died = *explanation.died;
  if (died.asked) {
    page.item(0, "DUMP", "goroutines were asked for (SIGQUIT)");
    return;
  }
  page.item(0, "DIED", printable(died.how + ": " + died.message), Ink::kBad);
  if (const auto own = own_frame(died)) {
    page.item(0, "in",
              printable(fmt::format("goroutine {}: {} ({}:{})", died.goroutine, own->function,
                                    own->file, own->line)));
  } else if (died.goroutine != 0) {
    page.item(0, "in", fmt::format("goroutine {}, without own code on its stack", died.goroutine));
  }
  if (died.created_by) {
    page.item(0, "created by",
              printable(fmt::format("{} ({}:{})", died.created_by->function, died.created_by->file,
                                    died.created_by->line)));
  }
  if (explanation.deaths > 1)
    page.item(0, "", fmt::format("the last of {} deaths", grouped(explanation.deaths)));
}

void put_steps(const Explanation& explanation, TextPage& page) {
  size_t number = 0;
  for (const HuntStep& step : explanation.steps) {
    page.blank();
    const bool named = step.stage == HuntStage::kLine && explanation.blame;
    page.item(0, fmt::format("{} {}", ++number, to_string(step.stage)), printable(step.says),
              named ? Ink::kBad : Ink::kBold);
    for (const auto& evidence : step.evidence) page.bullet(13, "·", Ink::kDim, printable(evidence));
    for (const auto& missing : step.missing)
      page.bullet(13, "missing:", Ink::kWarn, printable(missing));
  }
}

std::string group_words(const GoroutineGroup& group) {
  std::string text = fmt::format("{} ×", grouped(group.count));
  if (group.growth && *group.growth != 0) text += fmt::format(" ({:+})", *group.growth);
  if (!group.state.empty()) text += " " + group.state;
  if (group.wait && group.wait->max >= 60)
    text += fmt::format(" for up to {}", duration_words(group.wait->max));
  const auto own = own_frame(group);
  if (const auto at = own ? own : blocked_at(group)) {
    const NamedFrame& frame = group.stack[*at];
    text += fmt::format(" at {} ({}:{})", frame.function, frame.file, frame.line);
  }
  if (group.created_by) text += ", created by " + group.created_by->function;
  return text;
}

void put_foot(const Explanation& explanation, TextPage& page) {
  if (explanation.goroutines) {
    const GoroutineCapture& capture = *explanation.goroutines;
    const size_t shown = std::min(capture.groups.size(), kShownGroups);
    page.item(0, "goroutines",
              fmt::format("{} in {} group{}{}", grouped(capture.goroutines),
                          grouped(capture.groups.size()), capture.groups.size() == 1 ? "" : "s",
                          shown < capture.groups.size() ? "; --json lists them all" : ""));
    for (size_t i = 0; i < shown; ++i)
      page.bullet(13, "·", Ink::kDim, printable(group_words(capture.groups[i])));
  }
  for (const auto& note : explanation.notes) page.item(0, "not seen", printable(note));
}

}  // namespace

std::string explanation_text(const Explanation& explanation, const ExplanationStyle& style) {
  TextPage page(style.width, style.colour);
  page.item(0, "read", sources_line(explanation));
  if (explanation.died) put_death(explanation, page);
  if (explanation.steps.empty()) {
    page.item(0, "found", "nothing in it speaks of trouble with connections", Ink::kGood);
    for (size_t i = 0; i < std::min(explanation.pools.size(), kShownPools); ++i) {
      const PoolSample& pool = explanation.pools[i];
      if (!pool.in_use) continue;
      const auto most = pool.max ? pool.max : pool.open;
      page.item(0, "pool",
                printable(fmt::format("{}{}: {:.0f}{} in use",
                                      pool.name.empty() ? "" : pool.name + ", ", pool.format,
                                      *pool.in_use, most ? fmt::format(" of {:.0f}", *most) : "")));
    }
    put_foot(explanation, page);
    return page.take();
  }
  if (!explanation.diagnosis_reason.empty()) {
    page.item(0, word_of(explanation.diagnosis), printable(explanation.diagnosis_reason),
              ink_of(explanation.diagnosis));
    if (const auto words = remedy(explanation.diagnosis); !words.empty())
      page.item(0, "remedy", words);
  }
  put_steps(explanation, page);
  page.blank();
  put_foot(explanation, page);
  return page.take();
}

}  // namespace unclosed
