// RecordedProcess: a Go process made of a recording, for the readers of a process's memory to read:
// its memory, which may be changed word by word, its code, its names, and a /proc of its own in a
// temporary folder. For tests and fuzzing only. One thread at a time.
#pragma once

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "base/check.h"
#include "collect/golang/go_process.h"
#include "collect/golang/go_recording.h"
#include "collect/golang/http_requests.h"
#include "collect/golang/poll_descriptors.h"
#include "collect/golang/sql_pools.h"

namespace unclosed {

// The memory: pages of the recording, and those that were changed since.
class RecordedMemory {
 public:
  static constexpr uint64_t kPage = GoRecording::kPage;
  using Page = GoRecording::Page;

  // `recording` must outlive it.
  explicit RecordedMemory(const GoRecording& recording) : x_recording(recording) {}

  // Bytes of one page become others; a page that was not mapped becomes so.
  void write(uint64_t address, std::span<const std::byte> bytes) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const uint64_t at = address + i;
      auto [page, fresh] = x_changed.try_emplace(at / kPage);
      if (fresh) {
        const Page* known = recorded(at / kPage);
        page->second = known != nullptr ? *known : Page{};
      }
      page->second[at % kPage] = bytes[i];
    }
  }
  void put(uint64_t address, uint64_t word) { write(address, std::as_bytes(std::span(&word, 1))); }
  void unmap(uint64_t address) { x_unmapped.insert(address / kPage); }
  // Pages of [start, end) read as the one at `as`, where nothing else is.
  void repeat(uint64_t start, uint64_t end, uint64_t as) { x_repeated = {start, end, as}; }

  // As process_vm_readv.
  ssize_t read(std::span<const iovec> local, std::span<const iovec> remote) {
    ++x_calls;
    size_t into = 0, filled = 0;
    ssize_t done = 0;
    for (const iovec& from : remote) {
      auto at = reinterpret_cast<uint64_t>(from.iov_base);
      for (size_t left = from.iov_len; left > 0;) {
        const Page* page = at < kEnd ? page_at(at / kPage) : nullptr;
        if (page == nullptr) {
          if (done == 0) errno = EFAULT;
          return done == 0 ? -1 : done;
        }
        while (filled == local[into].iov_len) ++into, filled = 0;
        const size_t count = std::min({left, kPage - at % kPage, local[into].iov_len - filled});
        std::memcpy(static_cast<std::byte*>(local[into].iov_base) + filled,
                    page->data() + at % kPage, count);
        at += count;
        left -= count;
        filled += count;
        done += static_cast<ssize_t>(count);
      }
    }
    x_bytes += static_cast<uint64_t>(done);
    return done;
  }
  // What it was asked for so far.
  uint64_t calls() const { return x_calls; }
  uint64_t bytes() const { return x_bytes; }

 private:
  static constexpr uint64_t kEnd = uint64_t{1} << 47;  // of what a process may map
  struct Repeated {
    uint64_t start = 0, end = 0, as = 0;
  };
  const Page* recorded(uint64_t number) const {
    static constexpr Page kZero{};
    const auto known = x_recording.pages.find(number * kPage);
    if (known != x_recording.pages.end()) return &known->second;
    const auto after = x_recording.zeroes.upper_bound(number * kPage);
    return after != x_recording.zeroes.begin() && number * kPage < std::prev(after)->second
               ? &kZero
               : nullptr;
  }
  const Page* page_at(uint64_t number) const {
    if (x_unmapped.contains(number)) return nullptr;
    const auto changed = x_changed.find(number);
    if (changed != x_changed.end()) return &changed->second;
    if (const Page* known = recorded(number)) return known;
    const uint64_t at = number * kPage;
    if (at < x_repeated.start || at >= x_repeated.end) return nullptr;
    const auto same = x_changed.find(x_repeated.as / kPage);
    return same != x_changed.end() ? &same->second : recorded(x_repeated.as / kPage);
  }

  const GoRecording& x_recording;
  std::unordered_map<uint64_t, Page> x_changed;
  std::set<uint64_t> x_unmapped;
  Repeated x_repeated;
  uint64_t x_calls = 0, x_bytes = 0;
};

// Its binary, and its names.
class RecordedCode : public CodeSource, public HolderNames {
 public:
  explicit RecordedCode(const GoRecording& recording) : x_recording(recording) {
    x_module.path = "/recorded";
    GoLayout& go = x_module.go.emplace();
    go.version = recording.version;
    go.text = recording.text;
    go.module_data = ElfAddr{recording.module_data};
    go.runtime = recording.layout;
    go.all_goroutines = ElfAddr{recording.all_goroutines};
  }
  // Forgets the symbols.
  void strip() { x_stripped = true; }
  GoRuntimeLayout& layout() { return *x_module.go->runtime; }
  std::string& version() { return x_module.go->version; }
  // The list of goroutines is found by its content alone.
  void hide_goroutines() { x_module.go->all_goroutines.reset(); }

  Result<ModuleId> open_module(const ProcessId&, const Mapping&) override { return ModuleId{0}; }
  const ModuleCode& code(ModuleId) override { return x_module; }
  std::optional<uint64_t> bias(ModuleId, const Mapping&) override { return 0; }
  std::optional<UnwindRow> go_row(ModuleId, ElfAddr pc) override {
    return find(x_recording.rows, pc.value);
  }
  std::optional<ElfAddr> symbol(ModuleId, std::string_view name) override {
    const auto known = x_recording.symbols.find(name);
    if (x_stripped || known == x_recording.symbols.end()) return std::nullopt;
    return ElfAddr{known->second};
  }
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> go_functions(
      ModuleId, std::span<const std::string_view> names) override {
    std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> found;
    for (const std::string_view name : names) {
      auto& one = found.emplace_back();
      const auto known = x_recording.functions.find(name);
      if (known != x_recording.functions.end())
        one.emplace(ElfAddr{known->second.first}, ElfAddr{known->second.second});
    }
    return found;
  }
  std::optional<GoVariable> variable_at(ElfAddr address) override {
    return x_stripped ? std::nullopt : find(x_recording.variables, address.value);
  }
  std::vector<NamedFrame> frames_at(ElfAddr pc) override {
    return find(x_recording.frames, pc.value).value_or(std::vector<NamedFrame>());
  }
  // Of the standard library alone.
  std::optional<std::string> release_of(std::string_view) override { return std::nullopt; }
  std::optional<GoFrameMap> frame_map(ElfAddr pc) override {
    return find(x_recording.live, pc.value);
  }

 private:
  template <class T>
  static std::optional<T> find(const std::map<uint64_t, T>& map, uint64_t key) {
    const auto known = map.find(key);
    return known != map.end() ? std::optional(known->second) : std::nullopt;
  }
  const GoRecording& x_recording;
  ModuleCode x_module;
  bool x_stripped = false;
};

// Its /proc: removed with it.
class RecordedProc {
 public:
  static constexpr ProcessId kProcess{4242, 77};

  explicit RecordedProc(const GoRecording& recording) {
    x_folder = std::filesystem::temp_directory_path() / "unclosed-recorded-XXXXXX";
    CHECK(::mkdtemp(x_folder.data()) != nullptr);
    const auto place = std::filesystem::path(x_folder) / "4242";
    std::filesystem::create_directories(place / "fd");
    std::ofstream stat(place / "stat");
    stat << "4242 (recorded) S 1";
    for (int field = 5; field <= 52; ++field) stat << (field == 22 ? " 77" : " 0");
    stat << "\n";
    std::ofstream maps(place / "maps");
    for (const Mapping& one : recording.mappings) {
      maps << fmt::format("{:x}-{:x} r{}{}p 0 0:0 {} {}\n", one.start, one.end,
                          one.writable ? 'w' : '-', one.executable ? 'x' : '-', one.inode,
                          one.path);
    }
    for (int fd = 0; fd < 32; ++fd)
      std::filesystem::create_symlink("socket:[1]", place / "fd" / std::to_string(fd));
  }
  ~RecordedProc() {
    std::error_code ignored;
    std::filesystem::remove_all(x_folder, ignored);
  }
  RecordedProc(const RecordedProc&) = delete;
  RecordedProc& operator=(const RecordedProc&) = delete;

  ProcFs proc() const { return ProcFs(x_folder); }

 private:
  std::string x_folder;
};

namespace recording {

inline void tell(std::string& out, const Holder& holder) {
  out += fmt::format("  {} {} {} {} {} {} {}", to_string(holder.kind), to_string(holder.certainty),
                     holder.name, holder.type, holder.goroutine, holder.deferred, holder.own);
  for (const auto& frame : {holder.frame, holder.own_frame})
    out += " " + (frame ? frame->function : "-");
  for (const std::string& user : holder.used_by) out += " by " + user;
  for (const HeldStep& step : holder.chain)
    out += fmt::format(" > {} {} {} {}", step.type, step.size, step.field, step.inner);
  out += '\n';
}

inline void tell(std::string& out, GoProcess& process, const GoroutineList& list) {
  for (const LiveGoroutine& one : list.goroutines) {
    out += fmt::format("goroutine {} {} {} of {} at {:x}", one.id, to_string(one.status),
                       process.wait_reason(one.wait_reason), one.parent, one.start_pc);
    if (one.stack < list.stacks.size()) {
      for (const Frame& frame : list.stacks[one.stack].frames)
        out += fmt::format(" {:x}", frame.address.value);
    }
    out += '\n';
  }
}

inline void tell(std::string& out, GoProcess& process, const GoroutineList& list,
                 HolderNames& names, const HolderSettings& settings) {
  std::vector<int> fds;
  if (const auto polled = poll_descriptors(process)) {
    for (const PollDescriptor& one : *polled) {
      out += fmt::format("poll {} {} {}\n", one.fd, one.reader, one.writer);
      fds.push_back(one.fd);
    }
  }
  if (const auto held = holders_of(process, list, fds, names, settings)) {
    for (const Held& one : held->held) {
      out += fmt::format("held {} {} {}\n", one.fd, one.free_list, one.why);
      tell(out, one.holder);
      for (const Holder& other : one.others) tell(out, other);
    }
  } else {
    out += held.error().context + '\n';
  }
}

// Everything that the readers tell of a process.
inline std::string tell(GoProcess& process, HolderNames& names, const HolderSettings& settings) {
  std::string out;
  const auto list = read_goroutines(process);
  if (!list) return list.error().context;
  tell(out, process, *list);
  (void)blocking_calls(process, *list);
  if (const auto pools = sql_pools(process, *list)) {
    for (const SqlPool& pool : *pools) {
      out += fmt::format("pool {} {} {} {}", pool.open, pool.in_use, pool.idle, pool.max_open);
      for (const auto& one : pool.connections)
        out += fmt::format(" {}{}", one.fd.value_or(-1), one.in_use ? " in use" : "");
      out += '\n';
    }
  }
  if (const auto requests = http_requests(process, *list)) {
    for (const HttpRequest& one : *requests)
      out +=
          fmt::format("request {} {} {} {}\n", to_string(one.role), one.fd, one.method, one.path);
  }
  tell(out, process, *list, names, settings);
  return out;
}

// The same of a recording, with symbols and without.
inline std::string told_by(const GoRecording& recording, const RecordedProc& proc) {
  RecordedMemory memory(recording);
  RecordedCode code(recording);
  const auto tell_it = [&] {
    auto process = GoProcess::open(
        RemoteMemory::over(RecordedProc::kProcess,
                           [&](auto local, auto remote) { return memory.read(local, remote); }),
        code, proc.proc());
    return process ? tell(*process, code, {.between_moments = {}}) : process.error().context;
  };
  const std::string named = tell_it();
  code.strip();
  return named + "without symbols\n" + tell_it();
}

}  // namespace recording

}  // namespace unclosed
