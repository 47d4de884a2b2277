#include "symbolize/debug_file.h"

#include <dlfcn.h>
#include <fcntl.h>

#include <array>
#include <cstdlib>
#include <vector>

namespace unclosed {
namespace {

// What .gnu_debuglink says: a file name, and the checksum of that file.
struct Link {
  std::string name;
  uint32_t checksum = 0;
};

// The CRC-32 of .gnu_debuglink (polynomial 0xedb88320), bit by bit would take seconds a file.
uint32_t checksum_of(Bytes bytes) {
  static const auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < table.size(); ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320U : 0);
      table[i] = value;
    }
    return table;
  }();
  uint32_t sum = ~0U;
  for (const std::byte byte : bytes)
    sum = kTable[(sum ^ static_cast<uint8_t>(byte)) & 255] ^ (sum >> 8);
  return ~sum;
}

// The file at `path`, if it is the debug file of `build_id`, or for binaries without one, if it has
// the checksum of the link; empty: not there, or of another build.
MappedFile take(const std::string& path, const std::string& build_id, const Link& link) {
  auto fd = Fd::open(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return {};
  auto mapped = MappedFile::map(*fd, path);
  if (!mapped) return {};
  const auto elf = ElfFile::parse(mapped->bytes());
  if (!elf) return {};
  const bool same = build_id.empty() ? checksum_of(mapped->bytes()) == link.checksum
                                     : elf->build_id() == build_id;
  return same ? std::move(*mapped) : MappedFile();
}

Link link_of(const ElfFile& elf) {
  const auto section = elf.contents(".gnu_debuglink");
  const auto name = section ? text_at(*section, 0, 256) : std::nullopt;
  if (!name || name->find('/') != std::string_view::npos) return {};
  const auto checksum = load<uint32_t>(*section, (name->size() + 4) & ~size_t{3});
  return checksum ? Link{std::string(*name), *checksum} : Link{};
}

}  // namespace

MappedFile find_debug_file(const ElfFile& elf, const std::string& path, const std::string& root) {
  if (elf.section(".debug_info") != nullptr || elf.section(".zdebug_info") != nullptr) return {};
  const std::string id = elf.build_id();
  const Link link = link_of(elf);
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  std::vector<std::string> names;
  if (id.size() > 2)
    names.push_back("/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug");
  if (!link.name.empty() && !folder.empty()) {
    names.push_back(folder + link.name);
    names.push_back(folder + ".debug/" + link.name);
    names.push_back("/usr/lib/debug" + folder + link.name);
  }
  for (const std::string& below : {root, std::string()}) {
    for (const std::string& name : names) {
      auto found = take(below + name, id, link);
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
