#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cli/error_catalogue.h"
#include "report/printable.h"

namespace unclosed {
namespace {

constexpr size_t kUsualWidth = 100, kLeastWidth = 60, kMostWidth = 160;
constexpr auto kBetweenLines = std::chrono::seconds(10);

bool stdout_was_closed = false;  // set once, before any thread is made

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

Error not_written(const std::string& where, int errno_value) {
  Error error = system_error(errno_value, "writing to " + where);
  error.kind = ErrorKind::kSystem;
  error.id = "UC-E010";
  return error;
}

Status write_to(int fd, std::string_view data, const std::string& where) {
  while (!data.empty()) {
    const auto put = retry_eintr([&] { return ::write(fd, data.data(), data.size()); });
    if (put < 0) return not_written(where, errno);
    data.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

}  // namespace

bool use_colour(ColourChoice choice, bool to_terminal) {
  switch (choice) {
    case ColourChoice::kAlways:
      return true;
    case ColourChoice::kNever:
      return false;
    case ColourChoice::kAuto:
      break;
  }
  if (is_set("NO_COLOR")) return false;
  const char* force = std::getenv("CLICOLOR_FORCE");
  if (force != nullptr && *force != '\0' && std::strcmp(force, "0") != 0) return true;
  const char* term = std::getenv("TERM");
  return to_terminal && term != nullptr && std::strcmp(term, "dumb") != 0;
}

size_t page_width(int fd) {
  winsize size{};
  size_t width = 0;
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  const char* columns_variable = std::getenv("COLUMNS");
  if (width == 0 && columns_variable != nullptr) {
    width = static_cast<size_t>(std::strtoul(columns_variable, nullptr, 10));
  }
  return width == 0 ? kUsualWidth : std::clamp(width, kLeastWidth, kMostWidth);
}

bool hold_standard_descriptors() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    if (fd == 1) stdout_was_closed = true;
    // The lowest free number is the one that was closed. It stays open across exec, as the standard
    // descriptors do.
    const int held = ::open("/dev/null", O_RDWR);
    if (held != fd && held >= 0) ::close(held);
  }
  return !stdout_was_closed;
}

Result<DataOutput> DataOutput::open(const std::string& path) {
  DataOutput output;
  if (path.empty() || path == "-") {
    if (stdout_was_closed) return not_written("standard output", EBADF);
    return output;
  }
  output.x_path = path;
  struct stat status {};
  const bool exists = ::lstat(path.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) {  // a pipe, a device, a link: written as it is
    auto file = Fd::open(path, O_WRONLY | O_TRUNC);
    if (!file) return not_written(path, errno);
    output.x_file = *std::move(file);
    return output;
  }
  output.x_temporary = fmt::format("{}.{}.partial", path, ::getpid());
  auto file = Fd::open(output.x_temporary, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) {
    const int failure = errno;
    output.x_temporary.clear();
    return not_written(path, failure);
  }
  output.x_file = *std::move(file);
  return output;
}

DataOutput::DataOutput(DataOutput&& other) noexcept
    : x_path(std::move(other.x_path)),
      x_temporary(std::exchange(other.x_temporary, {})),
      x_file(std::move(other.x_file)) {}

DataOutput::~DataOutput() {
  if (!x_temporary.empty()) ::unlink(x_temporary.c_str());
}

bool DataOutput::to_terminal() const { return ::isatty(descriptor()) == 1; }

Status DataOutput::write(std::string_view data) {
  const std::string where = x_path.empty() ? "standard output" : x_path;
  const auto written = write_to(descriptor(), data, where);
  return written ? finish(where) : written;
}

Status DataOutput::write(std::span<const std::string> parts) {
  const std::string where = x_path.empty() ? "standard output" : x_path;
  for (const std::string& part : parts) {
    const auto written = write_to(descriptor(), part, where);
    if (!written) return written;
  }
  return finish(where);
}

Status DataOutput::finish(const std::string& where) {
  if (x_temporary.empty()) return {};
  if (::close(::dup(x_file.get())) != 0) return not_written(where, errno);  // NFS tells only here
  if (::rename(x_temporary.c_str(), x_path.c_str()) != 0) return not_written(where, errno);
  x_temporary.clear();
  return {};
}

ProgressLine::ProgressLine(Loudness loudness)
    : x_quiet(loudness == Loudness::kQuiet), x_terminal(::isatty(2) == 1) {}

void ProgressLine::show(const std::string& line, Stay stay) {
  if (x_quiet) return;
  const auto now = std::chrono::steady_clock::now();
  const std::string text = printable(line);
  if (stay == Stay::kFinal) {
    clear();
    say(text + "\n");
  } else if (x_terminal) {
    say("\r\x1b[K" + fit(text, page_width(2) - 1));
    x_shown = true;
  } else if (!x_last || now - *x_last >= kBetweenLines) {
    say(text + "\n");
    x_last = now;
  }
}

void ProgressLine::clear() {
  if (!x_shown) return;
  say("\r\x1b[K");
  x_shown = false;
}

// What cannot be said on standard error cannot be said at all.
void say(std::string_view text) {
  const auto said = write_to(2, text, "standard error");
  static_cast<void>(said);
}

void complain(const Error& error) { say(error_text(error)); }

}  // namespace unclosed
