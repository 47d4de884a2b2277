// Where what a command says goes: data to standard output or a file, all else to standard error.
// One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace unclosed {

enum class ColourChoice : uint8_t { kAuto, kAlways, kNever };
// kAuto: a terminal whose TERM is not dumb, unless NO_COLOR is set; CLICOLOR_FORCE makes it so
// elsewhere too.
bool use_colour(ColourChoice choice, bool to_terminal);
// Columns of the terminal on `fd`, else COLUMNS, else 100; between 60 and 160.
size_t page_width(int fd);

// Gives descriptors 0 to 2 that were closed a place, so that no file of ours ever gets such a
// number. False when standard output was closed.
bool hold_standard_descriptors();

// The place of the data, made ready before the work begins so that a wrong one is known at once.
// The file appears under its name when all is written, not before.
class DataOutput {
 public:
  // "" or "-": standard output.
  static Result<DataOutput> open(const std::string& path);
  DataOutput(DataOutput&& other) noexcept;
  DataOutput& operator=(DataOutput&& other) noexcept = delete;
  ~DataOutput();

  bool to_terminal() const;
  int descriptor() const { return x_file.valid() ? x_file.get() : 1; }
  // Once. The error says what could not be written, and where.
  Status write(std::string_view data);
  // The same of text in parts, which are not joined.
  Status write(std::span<const std::string> parts);

 private:
  DataOutput() = default;
  Status finish(const std::string& where);

  std::string x_path, x_temporary;  // "" for standard output; "" when written in place
  Fd x_file;
};

// Progress on standard error: on a terminal one line that is overwritten, elsewhere a line each ten
// seconds; final lines always stay.
class ProgressLine {
 public:
  enum class Loudness : uint8_t { kQuiet, kUsual };
  explicit ProgressLine(Loudness loudness);
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  enum class Stay : uint8_t { kPassing, kFinal };
  void show(const std::string& line, Stay stay);
  void clear();

 private:
  bool x_quiet, x_terminal, x_shown = false;
  std::optional<std::chrono::steady_clock::time_point> x_last;
};

// An error, or a warning, on standard error.
void complain(const Error& error);
void say(std::string_view text);

}  // namespace unclosed
