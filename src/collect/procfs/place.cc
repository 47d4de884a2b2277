#include "collect/procfs/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace unclosed {
namespace {

Error corrupt(const std::string& what) { return {ErrorKind::kCorrupt, what, {}}; }

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

// The name is in parentheses and may itself hold parentheses, spaces and newlines: the last ')'
// ends it.
Result<ProcessStat> parse_stat(std::string_view text) {
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return corrupt("stat of a process holds no name");
  }
  ProcessStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  auto rest = text.substr(close + 1);
  while (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  for (int field = 3; field <= 22; ++field) {
    const auto word = next_word(rest);
    if (word.empty()) return corrupt("stat of a process ends early");
    if (field == 3) stat.state = word.front();
    if (field == 4) stat.parent = number<pid_t>(word).value_or(0);
    if (field == 9) stat.flags = number<uint32_t>(word).value_or(0);
    if (field == 20) stat.threads = number<int>(word).value_or(0);
    if (field == 22) {
      const auto ticks = number<uint64_t>(word);
      if (!ticks) return corrupt("stat of a process holds no start time");
      stat.start_ticks = *ticks;
    }
  }
  return stat;
}

std::string_view next_word(std::string_view& rest) {
  const size_t start = std::min(rest.find_first_not_of(" \t"), rest.size());
  const size_t end = std::min(rest.find_first_of(" \t", start), rest.size());
  const auto word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

Result<std::string> read_at(int directory, const char* name, size_t cap) {
  const auto file = Fd::open_at(directory, name, O_RDONLY);
  if (!file) return file.error();
  return read_all(file->get(), name, cap);
}

Result<std::vector<int>> numbered_entries(int directory, const char* name) {
  auto fd = Fd::open_at(directory, name, O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  const int owned = ::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0);
  if (owned < 0) return system_error(errno, name);
  std::unique_ptr<DIR, CloseDirectory> entries(::fdopendir(owned));
  if (!entries) {
    const int failure = errno;
    ::close(owned);
    return system_error(failure, name);
  }
  std::vector<int> numbers;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) break;
    if (const auto value = number<int>(entry->d_name)) numbers.push_back(*value);
  }
  if (errno != 0) return system_error(errno, name);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<ProcessPlace> open_number(const std::string& root, pid_t pid) {
  auto directory = Fd::open(fmt::format("{}/{}", root, pid), O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  const auto text = read_at(directory->get(), "stat");
  if (!text) return text.error();
  auto stat = parse_stat(*text);
  if (!stat) return stat.error();
  return ProcessPlace{*std::move(directory), *std::move(stat)};
}

Result<ProcessPlace> open_process(const std::string& root, const ProcessId& process) {
  auto place = open_number(root, process.pid);
  if (!place) return place.error();
  if (place->stat.start_ticks != process.start_ticks) {
    return Error{ErrorKind::kGone, fmt::format("process {} has ended", process.pid), {}};
  }
  return place;
}

}  // namespace unclosed
