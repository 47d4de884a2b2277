#include "cli/ls.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/crew.h"
#include "cli/duration.h"
#include "cli/error_catalogue.h"
#include "cli/interrupts.h"
#include "cli/listing_goroutines.h"
#include "cli/output.h"
#include "cli/take_listing.h"
#include "cli/targets.h"
#include "report/listing_json.h"
#include "report/listing_text.h"

namespace unclosed {
namespace {

constexpr Duration kUsualWindow = std::chrono::seconds(2);

struct LsOptions {
  std::vector<std::string> targets, kinds, states;
  std::optional<Duration> window;
  bool once = false, descriptors = false, tree = false, json = false, no_memory = false;
  std::string rung = "best", sort = "limit", output, colour = "auto";
};

std::vector<std::string> kind_words() {
  std::vector<std::string> words;
  for (size_t i = 0; i < kKinds; ++i) words.emplace_back(to_string(static_cast<Kind>(i)));
  return words;
}

// Those of sockets that a descriptor can refer to.
std::vector<std::string> state_words() {
  return {"ESTABLISHED", "SYN_SENT", "FIN_WAIT1", "FIN_WAIT2", "CLOSE",
          "CLOSE_WAIT",  "LAST_ACK", "LISTEN",    "CLOSING"};
}

// As people type them: close-wait, established.
std::string spelt(std::string word) {
  for (char& c : word) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  if (word == "FIN_WAIT_1") return "FIN_WAIT1";
  return word == "FIN_WAIT_2" ? "FIN_WAIT2" : word;
}

ListingFilter filter_of(const LsOptions& options) {
  ListingFilter filter;
  for (size_t i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    const auto& words = options.kinds;
    if (std::find(words.begin(), words.end(), to_string(kind)) != words.end()) {
      filter.kinds.push_back(kind);
    }
  }
  for (size_t i = 1; i < kTcpStates; ++i) {
    const auto state = static_cast<TcpState>(i);
    const auto& words = options.states;
    if (std::find(words.begin(), words.end(), to_string(state)) != words.end()) {
      filter.states.push_back(state);
    }
  }
  return filter;
}

ListingOrder order_of(const std::string& word) {
  if (word == "fds") return ListingOrder::kDescriptors;
  if (word == "growth") return ListingOrder::kGrowth;
  return word == "pid" ? ListingOrder::kPid : ListingOrder::kLimit;
}

ListingRung rung_of(const std::string& word) {
  if (word == "bpf") return ListingRung::kBpf;
  return word == "proc" ? ListingRung::kProc : ListingRung::kBest;
}

ColourChoice colour_of(const std::string& word) {
  if (word == "always") return ColourChoice::kAlways;
  return word == "never" ? ColourChoice::kNever : ColourChoice::kAuto;
}

int fail(const Error& error) {
  complain(error);
  return exit_code(error.kind);
}

std::vector<std::string> row_lines(const Listing& listing, PidColumn pid,
                                   const ListingStyle& style) {
  std::vector<std::string> parts(listing.processes.size());
  Crew crew;
  for (size_t i = 0; i < parts.size(); ++i) {
    crew.add([&, i] { parts[i] = listing_rows(listing.processes[i], pid, style); });
  }
  crew.work();
  return parts;
}

std::vector<std::string> text_of(const Listing& listing, bool rows, const DataOutput& output,
                                 const LsOptions& options) {
  ListingStyle style;
  style.colour = use_colour(colour_of(options.colour), output.to_terminal());
  style.width = page_width(output.descriptor());
  std::vector<std::string> parts;
  if (!rows) {
    if (!listing.processes.empty()) parts.push_back(listing_processes(listing, style));
  } else {
    const bool single = listing.processes.size() == 1;
    const auto pid = single ? PidColumn::kNone : PidColumn::kFirst;
    if (single) {
      parts.push_back(listing_process_head(listing.processes.front(), listing, style));
    }
    if (!listing.processes.empty()) parts.push_back(listing_rows_head(pid));
    // Names are cut to a terminal's width only: another program wants them whole.
    if (!output.to_terminal()) style.width = SIZE_MAX;
    auto lines = row_lines(listing, pid, style);
    std::move(lines.begin(), lines.end(), std::back_inserter(parts));
    style.width = page_width(output.descriptor());
  }
  parts.push_back(listing_foot(listing, ::geteuid(), style));
  return parts;
}

// Nothing of what was asked for could be shown.
std::optional<Error> nothing_left(const Listing& listing, const LsOptions& options) {
  if (options.targets.empty()) return std::nullopt;
  if (listing.processes.empty() && !listing.gone.empty()) {
    return Error{ErrorKind::kGone, fmt::format("process {} has ended", listing.gone.front().pid),
                 "UC-E003"};
  }
  const auto hidden = [](const ListedProcess& one) { return !one.obstacle.empty(); };
  if (!listing.processes.empty() &&
      std::all_of(listing.processes.begin(), listing.processes.end(), hidden)) {
    const ListedProcess& one = listing.processes.front();
    return Error{ErrorKind::kDenied,
                 fmt::format("cannot look into {}[{}] of uid {} as uid {}: {}", one.comm,
                             one.id.pid, one.uid, ::geteuid(), one.obstacle),
                 "UC-E004"};
  }
  return std::nullopt;
}

int ls(const LsOptions& options) {
  auto output = DataOutput::open(options.output);
  if (!output) return fail(output.error());
  ListingSettings settings;
  if (!options.targets.empty()) {
    const ProcFs proc;
    const auto found = find_targets(options.targets, proc, TargetAccess::kAny);
    if (!found) return fail(found.error());
    settings.targets = options.tree ? with_descendants(*found, proc) : *found;
  }
  const bool rows = options.descriptors || settings.targets.size() == 1;
  settings.window = options.window.value_or(rows ? Duration::zero() : kUsualWindow);
  if (options.once) settings.window = Duration::zero();
  settings.rung = rung_of(options.rung);
  settings.names = rows ? ListingNames::kRead : ListingNames::kSkip;
  auto listing = take_listing(settings, interrupts());
  if (!listing) return fail(listing.error());
  if (const auto nothing = nothing_left(*listing, options)) return fail(*nothing);
  if (rows && !options.no_memory) add_goroutines(*listing);
  apply_filter(filter_of(options), *listing);
  sort_listing(order_of(options.sort), *listing);
  std::vector<std::string> parts;
  if (options.json) {
    parts.push_back(listing_json(*listing, rows ? ListedRows::kListed : ListedRows::kCounted));
  } else {
    parts = text_of(*listing, rows, *output, options);
  }
  const auto written = output->write(parts);
  return written ? 0 : fail(written.error());
}

void add_words(CLI::App& command, const char* name, std::vector<std::string>& into,
               std::vector<std::string> words, const char* help) {
  command.add_option(name, into, help)
      ->delimiter(',')
      ->type_name("WORD")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)
      ->check(CLI::IsMember(std::move(words)).description(""));
}

void add_options(CLI::App& command, LsOptions& options) {
  command
      .add_option("TARGET", options.targets,
                  "pid, name, port:NUMBER, unit:NAME, container:ID; all that may be read without")
      ->type_name("");
  command.add_flag("-d,--descriptors", options.descriptors,
                   "a line for each descriptor (as for a single process)");
  command.add_flag("--tree", options.tree, "the targets' children too");
  command.add_flag("--no-memory", options.no_memory, "not who waits on what in a Go process");
  add_words(command, "--kind", options.kinds, kind_words(), "only tcp, unix, file, pipe, …");
  command
      .add_option("--state", options.states, "only TCP sockets that are CLOSE_WAIT, ESTABLISHED, …")
      ->delimiter(',')
      ->type_name("WORD")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)
      ->transform(CLI::Validator(
          [](std::string& word) {
            word = spelt(word);
            return std::string();
          },
          ""))
      ->check(CLI::IsMember(state_words()).description(""));
  command.add_option("--sort", options.sort, "limit (nearest to it first), fds, growth, pid")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"limit", "fds", "growth", "pid"}).description(""));
  add_window_option(command, options.window,
                    "how long to watch the trend (2s; a single process: not at all)");
  command.add_flag("--once", options.once, "look once, without trend");
  command.add_option("--rung", options.rung, "best, bpf, proc (no privileges needed)")
      ->type_name("RUNG")
      ->check(CLI::IsMember({"best", "bpf", "proc"}).description(""));
  command.add_flag("--json", options.json, "print JSON (unclosed.listing/1)");
  command.add_option("-o,--output", options.output, "write to FILE")->type_name("FILE");
  command.add_option("--color", options.colour, "auto, always, never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
}

}  // namespace

Command add_ls(CLI::App& app) {
  const auto options = std::make_shared<LsOptions>();
  auto* command = app.add_subcommand("ls", "list processes or descriptors, also without root");
  add_options(*command, *options);
  command->footer(
      "One line a process, nearest to a limit first; for a single process one line a descriptor.\n"
      "Ages are bounds: a connection is at least so old as its last data is ago.\n\n"
      "Examples:\n"
      "  unclosed ls\n"
      "  unclosed ls checkout --state CLOSE_WAIT\n"
      "  unclosed ls 4242 4243 --for 10s\n"
      "  sudo unclosed ls --json --once -o listing.json");
  return {command, [options] { return ls(*options); }};
}

}  // namespace unclosed
