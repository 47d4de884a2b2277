#include "cli/source_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "base/fd.h"
#include "collect/procfs/procfs.h"
#include "model/cut_secrets.h"

namespace unclosed {
namespace {

constexpr off_t kMostBytes = 8 << 20;
constexpr size_t kMostFiles = 256;
constexpr size_t kMostLine = 1000;

bool ends_like_source(std::string_view path) {
  static constexpr std::array<std::string_view, 46> kEndings = {
      "go",  "c",   "cc",  "cpp", "cxx", "c++",   "h",  "hh",  "hpp",  "hxx", "inc", "ipp",
      "tcc", "inl", "rs",  "s",   "S",   "asm",   "py", "pyx", "java", "kt",  "kts", "scala",
      "js",  "mjs", "cjs", "ts",  "tsx", "jsx",   "rb", "php", "pl",   "pm",  "lua", "cs",
      "fs",  "d",   "zig", "nim", "cr",  "swift", "m",  "mm",  "ml",   "hs"};
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return false;
  const auto ending = path.substr(dot + 1);
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

// Links are followed as the target would, within its root.
Fd open_below(const std::string& root, const std::string& path) {
  const auto directory = Fd::open(root, O_PATH | O_DIRECTORY);
  if (!directory) return {};
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Fd(
      static_cast<int>(::syscall(SYS_openat2, directory->get(), path.c_str(), &how, sizeof how)));
}

// What was reached in the end is a source file too, not a link to something else.
bool is_source_file(const Fd& file) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (status.st_size > kMostBytes) return false;
  std::array<char, 4096> name;
  const auto link = fmt::format("/proc/self/fd/{}", file.get());
  const auto size = ::readlink(link.c_str(), name.data(), name.size());
  return size > 0 && ends_like_source({name.data(), static_cast<size_t>(size)});
}

using Lines = std::vector<std::string>;

std::optional<Lines> lines_of(const Fd& file) {
  if (!file.valid() || !is_source_file(file)) return {};
  const auto text = read_all(file.get(), "source", kMostBytes);
  if (!text) return {};
  Lines lines;
  std::string_view rest(*text);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    lines.emplace_back(rest.substr(0, std::min(end, kMostLine)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

class SourceFiles {
 public:
  explicit SourceFiles(SourcePlaces places) : x_places(std::move(places)) {}

  std::vector<SourceLine> read(const std::string& path, uint32_t first, uint32_t last) {
    auto found = x_files.find(path);
    if (found == x_files.end()) {
      if (x_files.size() >= kMostFiles) x_files.clear();
      found = x_files.emplace(path, load(path)).first;
    }
    std::vector<SourceLine> lines;
    for (uint32_t n = std::max(first, 1U); n <= last && n <= found->second.size(); ++n) {
      lines.push_back({n, cut_secrets_in_code(found->second[n - 1])});
    }
    return lines;
  }

 private:
  Lines load(const std::string& path) const {
    if (!ends_like_source(path)) return {};
    for (const auto& [from, to] : x_places.moved) {
      if (!path.starts_with(from)) continue;
      if (auto lines = lines_of(open_below("/", to + path.substr(from.size())))) return *lines;
    }
    if (!path.starts_with('/')) return {};  // relative to a directory that nobody recorded
    for (const auto& root : x_places.roots) {
      if (auto lines = lines_of(open_below(root, path))) return *lines;
    }
    return lines_of(open_below("/", path)).value_or(Lines{});
  }

  SourcePlaces x_places;
  std::map<std::string, Lines> x_files;
};

}  // namespace

Result<std::pair<std::string, std::string>> parse_moved(const std::string& text) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
    return Error{ErrorKind::kUsage,
                 fmt::format("'{}' is no pair of directories: write /build/app=/home/me/app", text),
                 "UC-E001"};
  }
  auto to = text.substr(at + 1);
  if (!to.starts_with('/')) {
    std::array<char, 4096> here;
    if (::getcwd(here.data(), here.size()) != nullptr) to = std::string(here.data()) + "/" + to;
  }
  return std::pair(text.substr(0, at), to);
}

SourceReader source_files(SourcePlaces places) {
  const auto files = std::make_shared<SourceFiles>(std::move(places));
  return [files](const std::string& path, uint32_t first, uint32_t last) {
    return files->read(path, first, last);
  };
}

}  // namespace unclosed
