#include "cli/go_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/gives_way.h"
#include "cli/duration.h"
#include "cli/error_catalogue.h"
#include "cli/go_process.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "cli/saved_goroutines.h"
#include "collect/pprof/remote.h"
#include "report/goroutines_json.h"
#include "report/goroutines_text.h"
#include "report/printable.h"
#include "symbolize/go_sources.h"

namespace unclosed {
namespace {

struct GoOptions {
  std::vector<std::string> targets, own, not_own;
  std::optional<Duration> window;
  size_t top = 10;
  bool states = false, json = false, quiet = false, descriptors = false;
  WhoHolds who_holds;
  std::string output, colour = "auto";
};

enum class GoTarget : uint8_t { kFile, kAddress, kProcess };

// A file that is there is a file, whatever its name looks like; a path is none of a process.
GoTarget kind_of(const std::string& target) {
  if (target == "-" || ::access(target.c_str(), F_OK) == 0) return GoTarget::kFile;
  for (const std::string_view prefix : {"port:", "unit:", "container:"})
    if (target.starts_with(prefix)) return GoTarget::kProcess;
  if (is_address(target)) return GoTarget::kAddress;
  return target.find_first_of("/.") == std::string::npos ? GoTarget::kProcess : GoTarget::kFile;
}

int fail(const Error& error) {
  complain(error);
  return exit_code(error.kind);
}

ColourChoice colour_of(const std::string& word) {
  if (word == "always") return ColourChoice::kAlways;
  return word == "never" ? ColourChoice::kNever : ColourChoice::kAuto;
}

Result<GoroutineCapture> from_address(const GoOptions& options) {
  auto address = parse_address(options.targets.front());
  if (!address) return address.error();
  ProgressLine progress(options.quiet ? ProgressLine::Loudness::kQuiet
                                      : ProgressLine::Loudness::kUsual);
  RemoteSettings settings;
  settings.between = options.window.value_or(settings.between);
  settings.states = options.states ? StatesWanted::kAlways : StatesWanted::kWhereCheap;
  settings.http.interrupt = &interrupts();
  settings.progress = [&](const std::string& what) {
    progress.show(what, ProgressLine::Stay::kPassing);
  };
  return capture_remote(*address, settings);
}

Result<GoroutineCapture> from_process(const GoOptions& options) {
  const GivesWay way;
  GoProcessSettings settings;
  settings.target = options.targets.front();
  settings.rules = {options.own, options.not_own};
  settings.window = options.window;
  settings.who_holds = options.who_holds;
  settings.interrupt = &interrupts();
  auto capture = capture_process(settings);
  const bool name = settings.target.find_first_not_of("0123456789") != std::string::npos &&
                    settings.target.find(':') == std::string::npos;
  if (!capture && capture.error().id == "UC-E003" && name) {
    return Error{ErrorKind::kGone,
                 fmt::format("there is neither a file nor a process '{}'", settings.target),
                 "UC-E003"};
  }
  return capture;
}

Result<GoroutineCapture> from_files(const GoOptions& options) {
  std::vector<Captured> profiles;
  std::string names;
  for (const std::string& path : options.targets) {
    const std::string name = path == "-" ? "standard input" : path;
    const auto source = ByteSource::open(path);
    if (!source) {
      Error error = source.error();
      if (error.kind == ErrorKind::kGone || error.kind == ErrorKind::kDenied)
        error = {ErrorKind::kUsage, error.context, "UC-E001"};
      return error;
    }
    auto captured = read_saved(*source, name);
    if (!captured) return captured.error();
    names.append(names.empty() ? "" : ", ").append(name);
    profiles.push_back(*std::move(captured));
  }
  GoroutineCapture capture = combine(std::move(profiles));
  capture.source = names;
  return capture;
}

Result<GoroutineCapture> take_capture(const GoOptions& options) {
  const size_t many = options.targets.size();
  const auto count = [&](GoTarget kind) {
    return static_cast<size_t>(
        std::count_if(options.targets.begin(), options.targets.end(),
                      [&](const auto& one) { return kind_of(one) == kind; }));
  };
  if (count(GoTarget::kProcess) > 0) {
    if (many > 1)
      return Error{ErrorKind::kUsage, "a process stands alone: --for tells what grows in it",
                   "UC-E001"};
    return from_process(options);
  }
  if (options.who_holds.asked()) {
    return Error{ErrorKind::kUsage,
                 "--who-holds reads a running process: give its pid, name or port:NUMBER",
                 "UC-E001"};
  }
  if (count(GoTarget::kAddress) == 0) return from_files(options);
  if (many > 1)
    return Error{ErrorKind::kUsage, "an address stands alone: it is captured twice by itself",
                 "UC-E001"};
  return from_address(options);
}

// What would tell more than one capture does.
std::string next_command(const GoroutineCapture& capture, const GoOptions& options) {
  const bool one = options.targets.size() == 1 && !capture.seconds_between;
  if (!one || capture.goroutines == 0 || options.targets.front() == "-") return {};
  if (kind_of(options.targets.front()) != GoTarget::kFile) return {};
  return fmt::format("unclosed go {} LATER   a dump that is taken later tells what grows",
                     printable(options.targets.front()));
}

int go(const GoOptions& options) {
  auto output = DataOutput::open(options.output);
  if (!output) return fail(output.error());
  auto capture = take_capture(options);
  if (!capture) return fail(capture.error());
  // A process's own binary knows better than paths do what is the user's own.
  if (!capture->memory) mark_own(*capture, {options.own, options.not_own});
  std::string text;
  if (options.json) {
    text = goroutines_json(*capture);
  } else {
    GoroutinesStyle style;
    style.colour = use_colour(colour_of(options.colour), output->to_terminal());
    style.width = page_width(output->descriptor());
    // Descriptors that were asked for by number are all told.
    style.top = std::max(options.top, options.who_holds.descriptors.size());
    style.descriptors = options.descriptors ? DescriptorLines::kAll : DescriptorLines::kNone;
    style.next_command = next_command(*capture, options);
    text = goroutines_text(*capture, style);
  }
  const auto written = output->write(text);
  if (!written) return fail(written.error());
  return last_interrupt() == 0 || capture->seconds_between ? 0 : 128 + last_interrupt();
}

// "7", "7,9,12" or "all"; nullopt: something else.
std::optional<WhoHolds> parse_descriptors(std::string_view text) {
  WhoHolds which;
  if (text == "all") {
    which.all = true;
    return which;
  }
  while (true) {
    const std::string_view one = text.substr(0, text.find(','));
    int fd = -1;
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), fd);
    if (error != std::errc() || end != one.data() + one.size() || fd < 0) return std::nullopt;
    which.descriptors.push_back(fd);
    if (one.size() == text.size()) return which;
    text.remove_prefix(one.size() + 1);
  }
}

void add_options(CLI::App& command, GoOptions& options) {
  command
      .add_option(
          "TARGET", options.targets,
          "a process (pid, name, port:NUMBER, unit:NAME, container:ID), http://HOST:PORT of "
          "net/http/pprof, or saved profiles and dumps, oldest first; - reads standard "
          "input")
      ->required()
      ->type_name("");
  add_window_option(command, options.window,
                    "time between two captures: of an address (10s), of a process (not at all)");
  command.add_option("--top", options.top, "groups and sites that are shown (10)")
      ->type_name("N")
      ->check(CLI::PositiveNumber.description(""));
  command.add_flag("--states", options.states,
                   "states and wait times also of many goroutines: stops the service meanwhile");
  command.add_flag("--fds", options.descriptors,
                   "of a process: who waits on which descriptor, line by line");
  command
      .add_option_function<std::string>(
          "--who-holds",
          [&options](const std::string& text) {
            if (const auto which = parse_descriptors(text)) options.who_holds = *which;
          },
          "of a process: the variable or goroutine that still holds these descriptors, and the "
          "way to them; or all")
      ->type_name("FD[,FD]")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return parse_descriptors(text) ? std::string() : "not a list of descriptors: " + text;
          },
          ""));
  command
      .add_option("--own", options.own, "functions or files like PATTERN are the user's own code")
      ->type_name("PATTERN")
      ->take_all()
      ->expected(1);
  command.add_option("--not-own", options.not_own, "functions or files like PATTERN are not")
      ->type_name("PATTERN")
      ->take_all()
      ->expected(1);
  command.add_flag("--json", options.json, "print JSON (unclosed.goroutines/1)");
  command.add_option("-o,--output", options.output, "write to FILE")->type_name("FILE");
  command.add_option("--color", options.colour, "auto, always, never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}).description(""));
  command.add_flag("-q,--quiet", options.quiet, "no progress on standard error");
}

}  // namespace

Command add_go(CLI::App& app) {
  const auto options = std::make_shared<GoOptions>();
  auto* command = app.add_subcommand(
      "go", "goroutines and memory of a Go service: a process, pprof, saved dumps");
  add_options(*command, *options);
  command->footer(
      "A process (Go 1.18 to 1.26) is read from its memory, with its pools; nothing is stopped.\n"
      "An address is captured twice, goroutines and heap at the same moment: what grew comes "
      "first.\n"
      "Files are told apart by content: goroutine, heap, mutex and block profiles, logs with dumps "
      "in them.\n\n"
      "Examples:\n"
      "  sudo unclosed go port:8080 --fds\n"
      "  sudo unclosed go 4242 --who-holds 17,23\n"
      "  unclosed go http://localhost:6060\n"
      "  unclosed go before.txt after.txt\n"
      "  kubectl exec POD -- wget -qO- 'localhost:6060/debug/pprof/goroutine?debug=2' | unclosed "
      "go -");
  return {command, [options] { return go(*options); }};
}

}  // namespace unclosed
