#include "report/listing_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "report/printable.h"
#include "report/text_page.h"

namespace unclosed {
namespace {

constexpr double kNearlyFull = 0.9, kFilling = 0.7;
constexpr size_t kSparks = 8;

// A column: those of the highest `rank` are left out first where the lines would be too long.
struct Column {
  std::string title;
  int rank = 0;
  bool left = false;
  std::vector<std::string> cells;
  std::vector<Ink> inks;

  size_t width() const {
    size_t most = columns(title);
    for (const auto& cell : cells) most = std::max(most, columns(cell));
    return most;
  }
  void add(std::string cell, Ink ink = Ink::kPlain) {
    cells.push_back(std::move(cell));
    inks.push_back(ink);
  }
};

std::string padded(const std::string& text, size_t width, bool left, bool last) {
  const std::string gap(width - std::min(width, columns(text)), ' ');
  if (!left) return gap + text;
  return last ? text : text + gap;
}

std::string laid_out(std::vector<Column> table, const ListingStyle& style) {
  const auto total = [&] {
    size_t sum = 0;
    for (const Column& column : table) sum += column.width() + 1;
    return sum - 1;
  };
  while (style.width != SIZE_MAX && total() > style.width) {
    const auto worst =
        std::max_element(table.begin(), table.end(),
                         [](const Column& a, const Column& b) { return a.rank < b.rank; });
    if (worst->rank == 0) break;
    table.erase(worst);
  }
  const TextPage page(style.width, style.colour);
  std::vector<size_t> widths;
  for (const Column& column : table) widths.push_back(column.width());
  std::string text;
  for (size_t i = 0; i < table.size(); ++i) {
    const bool last = i + 1 == table.size();
    text += padded(table[i].title, widths[i], table[i].left, last) + (last ? "\n" : " ");
  }
  const size_t lines = table.front().cells.size();
  for (size_t line = 0; line < lines; ++line) {
    for (size_t i = 0; i < table.size(); ++i) {
      const bool last = i + 1 == table.size();
      const auto cell = padded(table[i].cells[line], widths[i], table[i].left, last);
      const Ink ink = table[i].inks[line];
      text += (ink == Ink::kPlain ? cell : page.paint(cell, ink)) + (last ? "\n" : " ");
    }
  }
  return text;
}

std::string sparks(const DescriptorCourse& course) {
  static const std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (course.size() < 2) return "";
  uint64_t least = course.front().second, most = least;
  for (const auto& [at, count] : course) {
    least = std::min(least, count);
    most = std::max(most, count);
  }
  std::string text;
  const size_t parts = std::min(kSparks, course.size());
  for (size_t i = 0; i < parts; ++i) {
    const uint64_t count = course[i * (course.size() - 1) / (parts - 1)].second;
    const double share =
        most == least ? 0 : static_cast<double>(count - least) / static_cast<double>(most - least);
    text += kBlocks[static_cast<size_t>(share * 7)];
  }
  return text;
}

std::string rate(const std::optional<double>& per_second) {
  if (!per_second) return "-";
  if (std::abs(*per_second) < 0.05) return "0/s";
  return fmt::format("{:+.1f}/s", *per_second);
}

std::string share_of(const ListedProcess& one) {
  if (!one.nofile || !one.nofile->max || *one.nofile->max == 0) return "-";
  return fmt::format("{:.0f}%", 100.0 * static_cast<double>(one.nofile->used) /
                                    static_cast<double>(*one.nofile->max));
}

Ink ink_of_share(const ListedProcess& one) {
  if (!one.nofile || !one.nofile->max) return Ink::kPlain;
  const double share =
      static_cast<double>(one.nofile->used) / static_cast<double>(*one.nofile->max);
  if (share >= kNearlyFull) return Ink::kBad;
  return share >= kFilling ? Ink::kWarn : Ink::kPlain;
}

std::string full_in(const ListedProcess& one) {
  if (!one.exhausted_in_seconds) return "-";
  return *one.exhausted_in_seconds == 0 ? "FULL" : short_duration(*one.exhausted_in_seconds);
}

std::string most_of(const ListedProcess& one) {
  if (!one.nofile) return "-";
  return one.nofile->max ? grouped(*one.nofile->max) : "unlimited";
}

std::string used_of(const ListedProcess& one) {
  return one.nofile ? grouped(one.nofile->used) : "-";
}

std::string count_or_dash(uint64_t count) { return count == 0 ? "-" : grouped(count); }

std::string commonest_peer(const ListingSummary& summary) {
  if (summary.peers.empty()) return "-";
  const auto& [name, count] = summary.peers.front();
  return fmt::format("{} ({})", fit(printable(name), 44, CutAt::kStart), grouped(count));
}

enum Place {
  kPid,
  kCommand,
  kUsed,
  kMost,
  kShare,
  kTcp,
  kUnix,
  kFile,
  kOthers,
  kCloseWait,
  kUnread,
  kOldest,
  kSparkline,
  kRate,
  kFullIn,
  kPeer,
  kPlaces
};

std::vector<Column> headings(bool watched) {
  std::vector<Column> table(kPlaces);
  const auto set = [&](Place place, const char* title, int rank) {
    table[place].title = title;
    table[place].rank = rank;
  };
  set(kPid, "PID", 0);
  set(kCommand, "COMMAND", 0);
  set(kUsed, "FDS", 0);
  set(kMost, "LIMIT", 2);
  set(kShare, "USED", 0);
  set(kTcp, "TCP", 0);
  set(kUnix, "UNIX", 7);
  set(kFile, "FILE", 8);
  set(kOthers, "OTHER", 6);
  set(kCloseWait, "CLOSE_WAIT", 0);
  set(kUnread, "UNREAD", 3);
  set(kOldest, "AGE≥", 4);
  set(kSparkline, "TREND", 5);
  set(kRate, "RATE", 1);
  set(kFullIn, "FULL IN", 0);
  set(kPeer, "MOSTLY TO", 9);
  table[kCommand].left = table[kSparkline].left = table[kPeer].left = true;
  if (!watched) table[kRate].title.clear();
  return table;
}

void add_line(std::vector<Column>& table, const ListedProcess& one, const Listing& listing) {
  const ListingSummary sum = summarize(one, listing.port_range);
  const bool read = one.obstacle.empty();
  const auto of = [&](uint64_t count) { return read ? count_or_dash(count) : std::string("?"); };
  table[kPid].add(std::to_string(one.id.pid));
  table[kCommand].add(fit(printable(one.comm), 18));
  table[kUsed].add(used_of(one));
  table[kMost].add(most_of(one));
  table[kShare].add(share_of(one), ink_of_share(one));
  table[kTcp].add(of(sum.of(Kind::kTcp)));
  table[kUnix].add(of(sum.of(Kind::kUnix)));
  table[kFile].add(of(sum.of(Kind::kFile)));
  table[kOthers].add(
      of(one.descriptors.size() - sum.of(Kind::kTcp) - sum.of(Kind::kUnix) - sum.of(Kind::kFile)));
  const uint64_t waiting = sum.of(TcpState::kCloseWait);
  const bool blind = !read || !one.sockets_obstacle.empty();
  table[kCloseWait].add(blind ? "?" : count_or_dash(waiting),
                        waiting > 0 ? Ink::kWarn : Ink::kPlain);
  table[kUnread].add(blind ? "?" : sum.unread == 0 ? "-" : short_bytes(sum.unread));
  table[kOldest].add(sum.oldest_seconds ? short_duration(*sum.oldest_seconds) : "-");
  table[kSparkline].add(sparks(one.course));
  table[kRate].add(rate(one.growth_per_second));
  table[kFullIn].add(full_in(one), one.exhausted_in_seconds ? Ink::kBad : Ink::kPlain);
  table[kPeer].add(commonest_peer(sum));
}

std::string command_line(const ListedProcess& process) {
  std::string text;
  for (const auto& argument : process.command) {
    if (!text.empty()) text += ' ';
    text += argument;
    if (text.size() > 512) break;
  }
  return printable(text);
}

std::string counted_states(const ListingSummary& sum) {
  std::string text;
  const auto add = [&](uint64_t count, std::string_view word) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(count), word);
  };
  for (size_t i = 0; i < kKinds; ++i) add(sum.kinds[i], to_string(static_cast<Kind>(i)));
  std::string states;
  std::swap(text, states);
  for (size_t i = 1; i < kTcpStates; ++i) {
    add(sum.states[i], to_string(static_cast<TcpState>(i)));
  }
  return text.empty() ? states : states + " · " + text;
}

}  // namespace

std::string short_duration(double value) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, std::min(value, 1e15)));
  const auto pair = [](uint64_t high, char high_unit, uint64_t low, char low_unit) {
    return low == 0 ? fmt::format("{}{}", high, high_unit)
                    : fmt::format("{}{}{}{}", high, high_unit, low, low_unit);
  };
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return pair(whole / 60, 'm', whole % 60, 's');
  if (whole < 86400) return pair(whole / 3600, 'h', whole % 3600 / 60, 'm');
  return pair(whole / 86400, 'd', whole % 86400 / 3600, 'h');
}

std::string short_bytes(uint64_t bytes) {
  if (bytes < 10000) return std::to_string(bytes);
  constexpr std::array kUnits = {'k', 'M', 'G', 'T', 'P', 'E'};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return value < 9.95 ? fmt::format("{:.1f}{}", value, kUnits[unit])
                      : fmt::format("{:.0f}{}", value, kUnits[unit]);
}

std::string listing_processes(const Listing& listing, const ListingStyle& style) {
  const bool watched = listing.ended > listing.started;
  auto table = headings(watched);
  for (const ListedProcess& one : listing.processes) add_line(table, one, listing);
  if (!watched) {
    table.erase(table.begin() + kSparkline, table.begin() + kFullIn);
  }
  return laid_out(std::move(table), style);
}

std::string listing_process_head(const ListedProcess& process, const Listing& listing,
                                 const ListingStyle& style) {
  TextPage page(std::min<size_t>(style.width, 160), style.colour);
  page.line(
      0, fmt::format("{}[{}]  {}", printable(process.comm), process.id.pid, command_line(process)));
  const ListingSummary sum = summarize(process, listing.port_range);
  if (process.nofile) {
    std::string text = fmt::format("{} of {} descriptors ({})", used_of(process), most_of(process),
                                   share_of(process));
    if (process.growth_per_second) {
      text += fmt::format(", {} {}", rate(process.growth_per_second), sparks(process.course));
    }
    if (process.exhausted_in_seconds) {
      text += *process.exhausted_in_seconds == 0
                  ? ": FULL"
                  : ", full in " + duration_words(*process.exhausted_in_seconds);
    }
    page.item(2, "limit", text, ink_of_share(process));
  }
  if (sum.ports && sum.ports->used * 10 >= sum.ports->max) {
    page.item(2, "ports",
              fmt::format("{} of {} local ports are taken towards {}", grouped(sum.ports->used),
                          grouped(sum.ports->max), sum.ports->peer.to_string()));
  }
  const std::string states = counted_states(sum);
  if (!states.empty()) page.item(2, "open", states);
  page.item(2, "age",
            fmt::format("started {}; what it opened itself is no older",
                        listing.clock.format(process.started)));
  page.blank();
  return page.take();
}

std::string listing_foot(const Listing& listing, uint32_t uid, const ListingStyle& style) {
  TextPage page(std::min<size_t>(style.width, 160), style.colour);
  page.blank();
  if (listing.unreadable > 0) {
    page.item(0, "not read",
              fmt::format("{} more process{} that uid {} may not look into: sudo unclosed ls",
                          grouped(listing.unreadable), listing.unreadable == 1 ? "" : "es", uid),
              Ink::kWarn);
  }
  for (const ListedProcess& one : listing.processes) {
    if (one.obstacle.empty()) continue;
    page.item(0, "not read",
              fmt::format("{}[{}], of uid {}: {}; sudo unclosed ls {}", printable(one.comm),
                          one.id.pid, one.uid, one.obstacle, one.id.pid),
              Ink::kWarn);
  }
  for (const ProcessId& gone : listing.gone) {
    page.item(0, "gone", fmt::format("process {} has ended", gone.pid), Ink::kWarn);
  }
  for (const std::string& note : listing.notes) page.item(0, "not seen", printable(note));
  if (listing.open_files && listing.open_files->max &&
      listing.open_files->used * 2 >= *listing.open_files->max) {
    page.item(0, "machine",
              fmt::format("{} of {} open files (fs.file-max)", grouped(listing.open_files->used),
                          grouped(*listing.open_files->max)),
              Ink::kWarn);
  }
  std::string rung = "rung " + listing.rung;
  if (!listing.rung_reason.empty()) {
    rung +=
        " · " + printable(listing.rung_reason) +
        (listing.rung == "proc" ? "; it is faster and sees every process; unclosed doctor" : "");
  }
  page.item(0, "coverage", rung);
  return page.take();
}

}  // namespace unclosed
