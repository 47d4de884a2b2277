#include "symbolize/go_build_info.h"

#include <elf.h>

#include <algorithm>
#include <charconv>

#include "symbolize/cursor.h"

namespace unclosed {
namespace {

constexpr std::string_view kMagic = "\xff Go buildinf:";
constexpr size_t kTextCap = 16 << 20;

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view take_text(Cursor& in) {
  const uint64_t size = in.uleb();
  return size > kTextCap ? std::string_view() : as_text(in.take(size));
}

std::string_view take_field(std::string_view& line) {
  const size_t tab = std::min(line.find('\t'), line.size());
  const std::string_view field = line.substr(0, tab);
  line.remove_prefix(std::min(tab + 1, line.size()));
  return field;
}

void read_modules(std::string_view text, GoBuildInfo& info) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view kind = take_field(line);
    const std::string_view path = take_field(line);
    const std::string_view version = take_field(line);
    if (kind == "mod") {
      info.main = std::string(path);
    } else if (kind == "dep") {
      info.dependencies.push_back({std::string(path), std::string(version), version == "(devel)"});
    } else if (kind == "=>" && !info.dependencies.empty()) {
      const bool directory = path.starts_with('.') || path.starts_with('/');
      info.dependencies.back().local = directory || version == "(devel)";
    }
  }
  std::sort(info.dependencies.begin(), info.dependencies.end(),
            [](const GoModule& a, const GoModule& b) { return a.path < b.path; });
}

}  // namespace

std::optional<GoBuildInfo> parse_go_build_info(Bytes section) {
  constexpr uint64_t kFlagsAt = 15, kTextAt = 32;
  constexpr size_t kSentinel = 16;  // random bytes on both sides of the modules
  const auto head = slice(section, 0, kTextAt);
  if (!head || !as_text(*head).starts_with(kMagic)) return std::nullopt;
  const bool inline_text = (static_cast<unsigned>((*head)[kFlagsAt]) & 2) != 0;
  if (!inline_text) return std::nullopt;
  Cursor in(section.subspan(kTextAt));
  GoBuildInfo info;
  std::string_view version = take_text(in);
  info.version = std::string(version.substr(0, std::min<size_t>(version.find(' '), 64)));
  if (version.starts_with("devel")) info.version = std::string(version.substr(0, 64));
  const std::string_view modules = take_text(in);
  if (!in.ok() || info.version.empty()) return std::nullopt;
  if (modules.size() >= 2 * kSentinel)
    read_modules(modules.substr(kSentinel, modules.size() - 2 * kSentinel), info);
  return info;
}

std::optional<GoBuildInfo> go_build_info(const ElfFile& elf) {
  if (const auto section = elf.contents(".go.buildinfo")) return parse_go_build_info(*section);
  if (!elf.sections().empty() && elf.section(".text") != nullptr) return std::nullopt;
  constexpr uint64_t kSearch = 1 << 20, kAlign = 16;
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type != PT_LOAD || (segment.flags & PF_W) == 0) continue;
    const auto data = slice(elf.file(), segment.offset, segment.file_size);
    if (!data) continue;
    for (uint64_t at = 0; at < std::min<uint64_t>(kSearch, data->size()); at += kAlign) {
      auto info = parse_go_build_info(data->subspan(at));
      if (info) return info;
    }
  }
  return std::nullopt;
}

std::string_view go_package(std::string_view function) {
  if (function.starts_with("type:") || function.starts_with("go:") ||
      function.starts_with("type.") || function.starts_with("go."))
    return {};
  const std::string_view plain = function.substr(0, function.find('['));
  const size_t slash = plain.rfind('/');
  const size_t dot = plain.find('.', slash == std::string_view::npos ? 0 : slash);
  return dot == std::string_view::npos ? std::string_view() : plain.substr(0, dot);
}

std::optional<int> go_minor(std::string_view version) {
  if (!version.starts_with("go1.")) return std::nullopt;
  int minor = 0;
  const auto* end = version.data() + version.size();
  const auto [after, error] = std::from_chars(version.data() + 4, end, minor);
  if (error != std::errc() || minor < 0) return std::nullopt;
  return minor;
}

}  // namespace unclosed
