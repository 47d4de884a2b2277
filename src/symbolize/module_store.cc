#include "symbolize/module_store.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/check.h"
#include "symbolize/debug_file.h"
#include "symbolize/eh_frame.h"
#include "symbolize/handouts.h"

namespace unclosed {
namespace {

constexpr uint64_t kPage = 4096;

// .eh_frame, by section or through its header's segment.
std::optional<EhFrame> eh_frame_of(const ElfFile& elf) {
  if (const ElfSection* section = elf.section(".eh_frame")) {
    const auto bytes = elf.contents(*section);
    if (bytes) return EhFrame{*bytes, section->address, false};
  }
  for (const ElfSegment& segment : elf.segments()) {
    if (segment.type != PT_GNU_EH_FRAME) continue;
    const auto header = elf.at_address(segment.address);
    const auto encoding = header ? load<uint8_t>(*header, 1) : std::nullopt;
    const auto distance = header ? load<int32_t>(*header, 4) : std::nullopt;
    if (encoding != 0x1b || !distance) continue;  // pcrel | sdata4, as every linker writes it
    const uint64_t address = segment.address + 4 + static_cast<uint64_t>(int64_t{*distance});
    const auto bytes = elf.at_address(address);
    if (bytes) return EhFrame{*bytes, address, true};
  }
  return std::nullopt;
}

// Puts rows for the range of Go's own code, which keeps frame pointers, among those of the C code.
void cover_with_frame_pointers(std::vector<UnwindRow>& rows, uint32_t start, uint32_t end) {
  const auto before = [](const UnwindRow& row, uint32_t pc) { return row.pc < pc; };
  const auto first = std::lower_bound(rows.begin(), rows.end(), start, before);
  const auto last = std::lower_bound(first, rows.end(), end, before);
  UnwindRow after;  // what held at `end`, if no row begins just there
  if (last != rows.begin()) after = *std::prev(last);
  const bool starts_there = last != rows.end() && last->pc == end;
  const auto at = rows.erase(first, last);
  std::vector<UnwindRow> inserted = {{start, 0, 0, UnwindType::kFramePointer}};
  if (!starts_there) {
    after.pc = end;
    inserted.push_back(after);
  }
  rows.insert(at, inserted.begin(), inserted.end());
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Result<Fd> ModuleStore::open_mapped(const ProcessId& process, const Mapping& mapping) const {
  const std::string base = fmt::format("{}/{}/", x_proc, process.pid);
  const std::string in_root = base + "root" + mapping.path;
  const auto device = makedev(mapping.device_major, mapping.device_minor);
  std::optional<Error> denied;
  for (const std::string& path :
       {base + fmt::format("map_files/{:x}-{:x}", mapping.start, mapping.end), in_root,
        base + "exe"}) {
    if (path == in_root && (mapping.deleted || mapping.path.empty())) continue;
    auto fd = Fd::open(path, O_RDONLY | O_NONBLOCK);
    if (!fd) {
      if (fd.error().kind == ErrorKind::kDenied) denied = fd.error();
      continue;
    }
    struct stat status {};
    if (fstat(fd->get(), &status) != 0 || status.st_ino != mapping.inode) continue;
    // Overlay and btrfs show another device in maps than in stat: map_files is sure without it.
    if (status.st_dev != device && path.find("/map_files/") == std::string::npos &&
        major(device) != 0)
      continue;
    return std::move(*fd);
  }
  if (denied) return *denied;
  return Error{ErrorKind::kGone, mapping.path + ": deleted or replaced since it was mapped"};
}

Result<ModuleId> ModuleStore::open_module(const ProcessId& process, const Mapping& mapping) {
  if (mapping.inode == 0)
    return Error{ErrorKind::kUnsupported, mapping.path + ": not backed by a file"};
  auto fd = open_mapped(process, mapping);
  if (!fd) return fd.error();
  auto id = add(*fd, mapping.path, fmt::format("{}/{}/root", x_proc, process.pid));
  if (!id) return id;
  struct stat exe {
  }, own{};
  if (!x_modules[*id]->executable &&
      stat(fmt::format("{}/{}/exe", x_proc, process.pid).c_str(), &exe) == 0 &&
      fstat(fd->get(), &own) == 0)
    x_modules[*id]->executable = exe.st_dev == own.st_dev && exe.st_ino == own.st_ino;
  return id;
}

Result<ModuleId> ModuleStore::open_file(const std::string& path) {
  auto fd = Fd::open(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  return add(*fd, path, "");
}

Result<ModuleId> ModuleStore::add(const Fd& fd, const std::string& path, const std::string& root) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return system_error(errno, path);
  auto mapped = MappedFile::map(fd, path);
  if (!mapped) return mapped.error();
  auto elf = ElfFile::parse(mapped->bytes());
  if (!elf) return Error{elf.error().kind, path + ": " + elf.error().context};

  auto module = std::make_unique<Module>();
  module->build_id = elf->build_id();
  const Key key{status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
                status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, module->build_id};
  const auto known = x_by_key.find(key);
  if (known != x_by_key.end()) return known->second;

  module->path = path;
  module->name = file_name(path);
  module->mapped = std::move(*mapped);
  module->elf = std::move(*elf);
  module->go = GoBinary::open(module->elf, module->notes);
  module->executable = module->elf.type() == ET_EXEC;
  if (!module->go) module->debug = find_debug_file(module->elf, path, root);
  const auto id = static_cast<ModuleId>(x_modules.size());
  x_modules.push_back(std::move(module));
  x_by_key.emplace(key, id);
  return id;
}

const ModuleCode& ModuleStore::code(ModuleId id) {
  Module* module = find(id);
  CHECK(module != nullptr);
  if (module->code) return *module->code;
  ModuleCode& code = module->code.emplace();
  code.path = module->path;
  code.build_id = module->build_id;
  if (module->go) {
    code.go = module->go->layout(module->elf, module->notes);
    code.handouts = find_handouts(*module->go, module->elf);
  }
  const auto range = module->elf.code_range();
  const auto frame = eh_frame_of(module->elf);
  auto table = std::make_shared<UnwindTable>();
  if (range && range->second - range->first <= UINT32_MAX) {
    table->base = ElfAddr{range->first};
    table->size = static_cast<uint32_t>(range->second - range->first);
    if (frame) table->rows = unwind_rows(*frame, range->first, table->size, table->expressions);
  }
  if (module->go) {
    // Rows in a Go binary are those of C code beside it; Go's own linker makes none.
    code.frame_pointers = table->rows.empty();
    if (code.frame_pointers) return code;
    const auto [start, end] = module->go->text_range();
    if (start >= range->first && end <= range->second)
      cover_with_frame_pointers(table->rows, static_cast<uint32_t>(start - range->first),
                                static_cast<uint32_t>(end - range->first));
  } else if (!frame) {
    module->notes.push_back("no unwinding information (.eh_frame)");
  }
  code.table = std::move(table);
  return code;
}

std::optional<uint64_t> ModuleStore::bias(ModuleId id, const Mapping& mapping) {
  const Module* module = find(id);
  if (module == nullptr || mapping.end <= mapping.start) return std::nullopt;
  // A mapping may begin below its segment (rounded to pages) and two segments may share a page: the
  // one that fills most of the mapping counts.
  std::optional<uint64_t> found;
  uint64_t best = 0;
  const uint64_t map_end = mapping.offset + (mapping.end - mapping.start);
  for (const ElfSegment& segment : module->elf.segments()) {
    if (segment.type != PT_LOAD || !segment.executable()) continue;
    if (segment.file_size > UINT64_MAX - segment.offset) continue;
    const uint64_t start = std::max(segment.offset & ~(kPage - 1), mapping.offset);
    const uint64_t end = std::min(segment.offset + segment.file_size, map_end);
    if (end <= start || end - start <= best) continue;
    best = end - start;
    found = mapping.start - mapping.offset + segment.offset - segment.address;
  }
  return found;
}

std::optional<UnwindRow> ModuleStore::go_row(ModuleId id, ElfAddr pc) {
  const Module* module = find(id);
  return module != nullptr && module->go ? module->go->row_at(pc) : std::nullopt;
}

std::optional<ElfAddr> ModuleStore::symbol(ModuleId id, std::string_view name) {
  const Module* module = find(id);
  const auto address = module != nullptr ? module->elf.symbol(name) : std::nullopt;
  return address ? std::optional(ElfAddr{*address}) : std::nullopt;
}

std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> ModuleStore::go_functions(
    ModuleId id, std::span<const std::string_view> names) {
  const Module* module = find(id);
  if (module == nullptr || !module->go)
    return std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>>(names.size());
  return module->go->functions(names);
}

}  // namespace unclosed
