#include "collect/log/java_stacks.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "model/cut_secrets.h"

namespace unclosed {
namespace {

constexpr size_t kMostFrames = 512;
constexpr size_t kMostHolds = 1000;  // different stacks
constexpr size_t kMostConnections = 100'000;
constexpr size_t kLongestWord = 512;
constexpr int kMostStrangers = 5;

constexpr std::string_view kDetected = "Apparent connection leak detected";
constexpr std::string_view kTriggered = "Connection leak detection triggered for ";
constexpr std::string_view kUnleaked = " was returned to the pool (unleaked)";

// What announces the stack of a borrower.
struct Report {
  std::string_view words, reporter;
};
constexpr std::array kReports = {
    Report{kDetected, "HikariCP"},
    Report{"abandon connection, owner thread: ", "Druid"},
    Report{"Connection has been abandoned ", "Tomcat JDBC"},
    Report{"by the following code has not been returned to the pool", "DBCP"},
    Report{"Overdue resource check-out stack trace", "c3p0"},
    Report{"Did you forget to close a response body", "OkHttp"}};

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const size_t start = text.find(before);
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start + before.size());
  return text.substr(0, std::min(text.find(after), kLongestWord));
}

std::string_view trimmed(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t") + 1 - start);
}

// "[HikariPool-1 housekeeper]": the thread that reports has the pool's name.
std::string pool_of(std::string_view text) {
  const size_t end = text.find(" housekeeper]");
  if (end == std::string_view::npos) return {};
  const size_t start = text.rfind('[', end);
  if (start == std::string_view::npos || end - start > kLongestWord) return {};
  return std::string(text.substr(start + 1, end - start - 1));
}

bool begins_exception(std::string_view text) {
  return text.find("Exception") != std::string_view::npos ||
         text.find("Error") != std::string_view::npos ||
         text.find("Throwable") != std::string_view::npos;
}

// Sorts out nearly all lines.
bool may_speak_of_a_borrower(std::string_view text) {
  for (const std::string_view part : {"onnection", "returned to the pool", "check-out"})
    if (text.find(part) != std::string_view::npos) return true;
  return false;
}

bool same_stack(const ReportedHold& a, const ReportedHold& b) {
  return a.reporter == b.reporter && a.pool == b.pool && a.stack == b.stack;
}

}  // namespace

std::optional<NamedFrame> java_frame(std::string_view line) {
  line = trimmed(line);
  if (!line.starts_with("at ")) return std::nullopt;
  line.remove_prefix(3);
  const size_t open = line.find('(');
  const size_t close = open == std::string_view::npos ? open : line.find(')', open);
  if (open == 0 || close == std::string_view::npos || open > kLongestWord) return std::nullopt;
  std::string_view name = line.substr(0, open);
  if (name.find(' ') != std::string_view::npos || name.find('.') == std::string_view::npos)
    return std::nullopt;
  NamedFrame frame;
  // "java.base/java.lang.Thread.run", "app//com.acme.Dao.find"; a lambda's class has a slash too.
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos &&
      name.substr(0, slash).find("$$") == std::string_view::npos) {
    frame.module = name.substr(0, slash);
    name.remove_prefix(name.find_first_not_of('/', slash) == std::string_view::npos
                           ? slash + 1
                           : name.find_first_not_of('/', slash));
  }
  frame.function = name;
  std::string_view place = line.substr(open + 1, close - open - 1);
  const size_t colon = place.rfind(':');
  if (colon != std::string_view::npos) {
    std::from_chars(place.data() + colon + 1, place.data() + place.size(), frame.line);
    place = place.substr(0, colon);
  }
  if (place != "Unknown Source" && place != "Native Method" && place != "<generated>")
    frame.file = place.substr(0, kLongestWord);
  return frame;
}

bool JavaStacks::begins(Draft& draft, std::string_view text, uint64_t number) {
  if (const size_t at = text.find(kTriggered); at != std::string_view::npos) {
    keep(draft);
    draft.hold.thread = trimmed(between(text, " on thread ", ", stack trace follows"));
    draft.hold.pool = pool_of(text);
    draft.connection = between(text, kTriggered, " on thread ");
    draft.hold.first_line = number;
    return true;
  }
  for (const auto& [words, reporter] : kReports) {
    if (text.find(words) == std::string_view::npos) continue;
    if (words == kDetected && !draft.open && !draft.connection.empty()) {
      // The line before said of whom this is.
    } else {
      keep(draft);
      draft.hold.first_line = number;
      if (reporter == "Druid") draft.hold.thread = between(text, words, ",");
    }
    draft.hold.reporter = reporter;
    draft.open = true;
    return true;
  }
  return false;
}

void JavaStacks::line(uint32_t stream, std::string_view text, uint64_t number) {
  auto found = x_drafts.find(stream);
  const bool reading = found != x_drafts.end() && found->second.open;
  if (reading) {
    Draft& draft = found->second;
    if (auto frame = java_frame(text)) {
      auto& into = draft.reading_doing ? draft.hold.doing : draft.hold.stack;
      if (into.size() < kMostFrames) into.push_back(std::move(*frame));
      draft.strangers = 0;
      return;
    }
    if (text.find("ownerThread current state is ") != std::string_view::npos) {
      draft.reading_doing = true;
      draft.strangers = 0;
      return;
    }
  }
  if (!may_speak_of_a_borrower(text)) {
    if (!reading || trimmed(text).empty()) return;
  } else {
    Draft& draft = x_drafts[stream];
    taken_back(draft, text);
    if (begins(draft, text, number) || !draft.open) return;
    found = x_drafts.find(stream);
  }
  Draft& draft = found->second;
  if (++draft.strangers > kMostStrangers || (begins_exception(text) && !draft.hold.stack.empty()))
    keep(draft);
}

void JavaStacks::taken_back(Draft& draft, std::string_view text) {
  if (text.find(kUnleaked) == std::string_view::npos) return;
  keep(draft);
  const auto connection = between(text, "reported leaked connection ", " on thread ");
  const auto found = x_by_connection.find(std::string(connection));
  if (found == x_by_connection.end()) return;
  ++x_holds[found->second].taken_back;
  x_by_connection.erase(found);
}

void JavaStacks::keep(Draft& draft) {
  Draft whole = std::move(draft);
  draft = Draft();
  if (whole.hold.reporter.empty() || whole.hold.stack.empty()) return;
  whole.hold.thread = cut_secrets_in_log(whole.hold.thread);
  auto known = std::find_if(x_holds.begin(), x_holds.end(),
                            [&](const ReportedHold& one) { return same_stack(one, whole.hold); });
  if (known == x_holds.end()) {
    if (x_holds.size() >= kMostHolds) return;
    x_holds.push_back(std::move(whole.hold));
    known = x_holds.end() - 1;
  }
  ++known->count;
  if (!whole.connection.empty() && x_by_connection.size() < kMostConnections)
    x_by_connection[whole.connection] = static_cast<size_t>(known - x_holds.begin());
}

std::vector<ReportedHold> JavaStacks::take() {
  for (auto& [stream, draft] : x_drafts) keep(draft);
  x_drafts.clear();
  x_by_connection.clear();
  std::stable_sort(x_holds.begin(), x_holds.end(), [](const auto& a, const auto& b) {
    return a.count - a.taken_back > b.count - b.taken_back;
  });
  return std::move(x_holds);
}

}  // namespace unclosed
