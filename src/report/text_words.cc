#include "report/text_words.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>

#include "report/printable.h"

namespace unclosed {

VerdictLook look_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kLeaking:
      return {"✖", "LEAK", Ink::kBad};
    case Verdict::kSuspect:
      return {"▲", "SUSPECT", Ink::kWarn};
    case Verdict::kHeld:
      return {"●", "HELD", Ink::kGood};
    case Verdict::kHealthy:
      return {"✔", "OK", Ink::kGood};
    case Verdict::kUnknown:
      return {"○", "UNKNOWN", Ink::kDim};
  }
  return {"○", "UNKNOWN", Ink::kDim};
}

std::string things(Kind kind, uint64_t count) {
  const bool one = count == 1;
  std::string noun(to_string(kind));
  if (kind == Kind::kFile) return one ? "file" : "files";
  if (kind == Kind::kPipe || kind == Kind::kFifo) return noun + (one ? " end" : " ends");
  if (kind == Kind::kTcp || kind == Kind::kUnix) {
    return noun + (one ? " connection" : " connections");
  }
  if (is_socket(kind)) return noun + (one ? " socket" : " sockets");
  if (kind == Kind::kOther) return one ? "other descriptor" : "other descriptors";
  return noun + (one ? " descriptor" : " descriptors");
}

std::string listeners(Kind kind, uint64_t count) {
  return fmt::format("listening {}{}", kind == Kind::kUnix ? "unix " : "",
                     count == 1 ? "socket" : "sockets");
}

std::string counted(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped(count), count == 1 ? one : many);
}

static std::string place(const Site& site) {
  if (site.file.empty()) return "";
  if (site.line == 0) return printable(site.file);
  return fmt::format("{}:{}", printable(site.file), site.line);
}

std::string name_and_place(const Site& site) {
  const auto where = place(site);
  auto text = printable(site.function);
  return where.empty() ? text : text + "  " + where;
}

std::string short_name_and_place(const Site& site) {
  if (site.file.empty()) return printable(site.function);
  return fmt::format("{} {}:{}", printable(site.function), printable(base_name(site.file)),
                     site.line);
}

// "checkout[4242]"
std::string process_name(const ProcessInfo& process) {
  std::string name = process.exe;
  if (name.empty() && !process.command.empty()) name = process.command.front();
  return fmt::format("{}[{}]", name.empty() ? "?" : printable(base_name(name)), process.id.pid);
}

std::string growth_words(double per_minute) {
  if (std::abs(per_minute) < 0.05) return "not growing";
  return fmt::format("{:+.1f} per minute", per_minute);
}

std::string members_words(const Finding& finding) {
  if (finding.copies > 0) {
    const uint64_t files = finding.connections.size();
    return fmt::format("{} of {} {}", counted(finding.copies, "copy", "copies"), grouped(files),
                       things(finding.kind, files));
  }
  const uint64_t count = finding.count == 0 ? finding.healed : finding.count;
  return fmt::format("{} {}", grouped(count),
                     finding.role == Role::kListener ? listeners(finding.kind, count)
                                                     : things(finding.kind, count));
}

std::string left_open_words(const LeftOpen& place) {
  std::string noun = things(place.kind, place.count);
  if (place.role == Role::kListener) {
    noun = listeners(place.kind, place.count);
  } else if (place.role == Role::kUnknown && is_socket(place.kind)) {
    noun = fmt::format("{} {}", to_string(place.kind), place.count == 1 ? "socket" : "sockets");
  }
  const auto what = grouped(place.count) + " " + noun;
  const char* const how = place.duplicated ? "duplicated" : place.received ? "received" : "opened";
  switch (place.by) {
    case OpenedBy::kOwnCode:
      break;
    case OpenedBy::kNoOwnCode:
      return what + (place.frames.empty()
                         ? fmt::format(", {} where no own code was seen", how)
                         : fmt::format(" {} at {}, which has no name", how,
                                       printable(place.frames.front().function)));
    case OpenedBy::kUnseen:
      return what + (place.duplicated ? ", without the stack of their making"
                                      : ", without the stack of the opening");
    case OpenedBy::kRuntime:
      return what + ", of the language's runtime";
  }
  std::string text = fmt::format("{} {} at {}", what, how, name_and_place(place.frames.front()));
  for (size_t i = 1; i < place.frames.size(); ++i) {
    text += " ← " + short_name_and_place(place.frames[i]);
  }
  return text;
}

std::string remedy(Diagnosis diagnosis) {
  switch (diagnosis) {
    case Diagnosis::kLeak:
      return "leak: nobody uses them any more; close them, or hand them back, on every path";
    case Diagnosis::kSlow:
      return "slow operation: requests were sent and nothing has come back; look at the peer, or "
             "set a deadline; there is nothing to close yet";
    case Diagnosis::kLimitTooSmall:
      return "limit too small: all are in use again and again, and somebody waits for one; raise "
             "the limit";
    case Diagnosis::kUnknown:
      return "unknown: what was seen does not tell a leak from a slow operation";
  }
  return "";
}

double share_of(const LimitUse& use) {
  if (!use.max) return 0;
  return *use.max == 0 ? 1 : static_cast<double>(use.used) / static_cast<double>(*use.max);
}

std::string limit_words(const Limit& limit) {
  const double share = share_of(limit.use);
  const bool pool = limit.use.name == "pool";
  std::string what = fmt::format("{} of {}", printable(limit.use.name), limit.use.process.pid);
  if (limit.use.name == "local-ports") {
    what = fmt::format("local ports from {} to {}", printable(limit.use.local),
                       printable(limit.use.peer));
  } else if (pool && limit.use.pools > 1) {
    what = fmt::format("{} pools of database/sql of {}", grouped(limit.use.pools),
                       limit.use.process.pid);
  }
  if (pool && !limit.use.peer.empty()) what += " to " + printable(limit.use.peer);
  std::string text = fmt::format("{}: {} in use", what, grouped(limit.use.used));
  if (limit.use.max) {
    const auto percent = share > 0 && share < 0.01 ? "under 1" : fmt::format("{:.0f}", share * 100);
    text += fmt::format(" of {} ({} %)", grouped(*limit.use.max), percent);
  } else {
    text += ", unlimited";
  }
  if (limit.use.pools > 1) text += fmt::format(", {} idle", grouped(limit.use.idle));
  if (limit.use.time_wait > 0) {
    text += fmt::format(", {} of them in TIME_WAIT", grouped(limit.use.time_wait));
  }
  if (limit.exhausted_in_seconds) {
    const double left = *limit.exhausted_in_seconds;
    text += left <= 0 ? ", exhausted now" : ", exhausted in about " + duration_words(left);
  } else if (limit.use.max && !pool) {
    text += ", not growing towards it";
  }
  if (limit.use.waits > 0) {
    text += fmt::format(", {} so far",
                        counted(limit.use.waits, "borrower had to wait", "borrowers had to wait"));
  }
  if (limit.diagnosis != Diagnosis::kUnknown) {
    text += fmt::format("; diagnosis: {}", to_string(limit.diagnosis));
  }
  return text;
}

bool is_of_a_limit(int errno_value) {
  return errno_value == EMFILE || errno_value == ENFILE || errno_value == EADDRNOTAVAIL ||
         errno_value == ENOBUFS || errno_value == ENOMEM;
}

}  // namespace unclosed
