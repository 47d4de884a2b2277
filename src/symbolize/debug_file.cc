#include "symbolize/debug_file.h"

#include <dlfcn.h>
#include <fcntl.h>

#include <cstdlib>
#include <vector>

namespace unclosed {
namespace {

// The file at `path`, if it is the debug file of `build_id`; empty: not there, or of another build.
MappedFile take(const std::string& path, const std::string& build_id) {
  auto fd = Fd::open(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return {};
  auto mapped = MappedFile::map(*fd, path);
  if (!mapped) return {};
  const auto elf = ElfFile::parse(mapped->bytes());
  if (!elf || (!build_id.empty() && elf->build_id() != build_id)) return {};
  return std::move(*mapped);
}

std::string link_name(const ElfFile& elf) {
  const auto section = elf.contents(".gnu_debuglink");
  const auto name = section ? text_at(*section, 0, 256) : std::nullopt;
  if (!name || name->find('/') != std::string_view::npos) return {};
  return std::string(*name);
}

}  // namespace

MappedFile find_debug_file(const ElfFile& elf, const std::string& path, const std::string& root) {
  if (elf.section(".debug_info") != nullptr || elf.section(".zdebug_info") != nullptr) return {};
  const std::string id = elf.build_id();
  const std::string link = link_name(elf);
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  std::vector<std::string> names;
  if (id.size() > 2)
    names.push_back("/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug");
  if (!link.empty() && !folder.empty()) {
    names.push_back(folder + link);
    names.push_back(folder + ".debug/" + link);
    names.push_back("/usr/lib/debug" + folder + link);
  }
  for (const std::string& below : {root, std::string()}) {
    for (const std::string& name : names) {
      auto found = take(below + name, id);
      if (!found.bytes().empty()) return found;
    }
    if (root.empty()) break;
  }
  return {};
}

// Asks debuginfod; the library keeps its own cache, timeouts and progress.
MappedFile fetch_debug_file(const std::string& build_id) {
  const char* urls = std::getenv("DEBUGINFOD_URLS");
  if (urls == nullptr || *urls == '\0' || build_id.empty()) return {};
  static void* library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  using Begin = void* (*)();
  using Find = int (*)(void*, const unsigned char*, int, char**);
  using End = void (*)(void*);
  const auto begin = reinterpret_cast<Begin>(dlsym(library, "debuginfod_begin"));
  const auto find = reinterpret_cast<Find>(dlsym(library, "debuginfod_find_debuginfo"));
  const auto end = reinterpret_cast<End>(dlsym(library, "debuginfod_end"));
  if (begin == nullptr || find == nullptr || end == nullptr) return {};
  void* client = begin();
  if (client == nullptr) return {};
  // Length 0: the id is hex text.
  Fd fd(find(client, reinterpret_cast<const unsigned char*>(build_id.c_str()), 0, nullptr));
  end(client);
  if (!fd.valid()) return {};
  auto mapped = MappedFile::map(fd, "debuginfod");
  return mapped ? std::move(*mapped) : MappedFile();
}

}  // namespace unclosed
