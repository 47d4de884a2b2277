#include "symbolize/module_store.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "symbolize/runtime_of.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

std::vector<Mapping> own_mappings() {
  std::vector<Mapping> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping;
    char permissions[5] = {};
    int path_at = 0;
    if (sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
               &mapping.start, &mapping.end, permissions, &mapping.offset, &mapping.device_major,
               &mapping.device_minor, &mapping.inode, &path_at) < 7)
      continue;
    mapping.executable = permissions[2] == 'x';
    mapping.writable = permissions[1] == 'w';
    mapping.path = line.substr(static_cast<size_t>(path_at));
    all.push_back(mapping);
  }
  return all;
}

const ProcessId kSelf{getpid(), 0};

// This process, as the walker of stacks would know it.
struct Self {
  Self() {
    for (const Mapping& mapping : own_mappings()) {
      if (!mapping.executable || mapping.inode == 0) continue;
      const auto id = modules.open_module(kSelf, mapping);
      if (!id) continue;
      const auto bias = modules.bias(*id, mapping);
      if (bias) spaces.push_back({mapping, *id, *bias});
    }
  }
  struct Space {
    Mapping mapping;
    ModuleId module;
    uint64_t bias;
  };
  const Space* find(uint64_t pc) const {
    for (const Space& space : spaces)
      if (pc >= space.mapping.start && pc < space.mapping.end) return &space;
    return nullptr;
  }
  ModuleStore modules;
  std::vector<Space> spaces;
};

struct Walk {
  std::vector<uint64_t> pcs;
  UnwindType last = UnwindType::kEnd;
};

uint64_t word(uint64_t address) { return *reinterpret_cast<const uint64_t*>(address); }

// Walks our own stack by rows, as the kernel side does.
Walk walk(Self& self, uint64_t pc, uint64_t sp, uint64_t bp) {
  Walk walked;
  for (int i = 0; i < 100; ++i) {
    walked.pcs.push_back(pc);
    const auto* space = self.find(pc);
    if (space == nullptr) break;
    const auto& table = self.modules.code(space->module).table;
    if (!table) break;
    const auto at = static_cast<uint32_t>(pc - space->bias - table->base.value - (i == 0 ? 0 : 1));
    auto row = std::upper_bound(table->rows.begin(), table->rows.end(), at,
                                [](uint32_t value, const UnwindRow& r) { return value < r.pc; });
    if (row == table->rows.begin()) break;
    --row;
    walked.last = row->type;
    uint64_t cfa = 0;
    if (row->type == UnwindType::kRsp)
      cfa = sp + row->cfa * 8ULL;
    else if (row->type == UnwindType::kRbp)
      cfa = bp + row->cfa * 8ULL;
    else if (row->type == UnwindType::kRbpDeref)
      cfa = word(bp + int64_t{static_cast<int16_t>(row->cfa)} * 8);
    else
      break;
    if (row->type == UnwindType::kRbpDeref)
      bp = word(bp);
    else if (row->rbp != 0 && row->rbp != 255)
      bp = word(cfa - row->rbp * 8ULL);
    pc = word(cfa - 8);
    sp = cfa;
  }
  return walked;
}

__attribute__((noinline)) void compare_with_backtrace(Self& self) {
  void* expected[64];
  const int count = backtrace(expected, 64);
  ucontext_t here;
  ASSERT_EQ(getcontext(&here), 0);
  const auto walked = walk(self, static_cast<uint64_t>(here.uc_mcontext.gregs[REG_RIP]),
                           static_cast<uint64_t>(here.uc_mcontext.gregs[REG_RSP]),
                           static_cast<uint64_t>(here.uc_mcontext.gregs[REG_RBP]));
  // The first frame is where each of both was asked; a sanitizer's backtrace has one more.
  ASSERT_GE(static_cast<size_t>(count), walked.pcs.size());
  const size_t more = static_cast<size_t>(count) - walked.pcs.size();
  EXPECT_LE(more, 1U);
  for (size_t i = 1; i < walked.pcs.size(); ++i)
    EXPECT_EQ(walked.pcs[i], reinterpret_cast<uint64_t>(expected[i + more])) << i;
  EXPECT_EQ(walked.last, UnwindType::kEnd) << "the outermost frame says that it is";
}

int compare_in_qsort(const void* self, const void*) {
  compare_with_backtrace(**static_cast<Self* const*>(self));
  return 0;
}

TEST(ModuleStore, rows_walk_our_own_stack_as_backtrace_does) {
  Self self;
  compare_with_backtrace(self);
}

TEST(ModuleStore, rows_walk_through_libc) {
  Self self;
  Self* items[2] = {&self, &self};
  qsort(items, 2, sizeof items[0], compare_in_qsort);
}

TEST(ModuleStore, rows_are_sorted_and_lie_in_the_table) {
  Self self;
  size_t rows = 0;
  for (const auto& space : self.spaces) {
    const auto& table = self.modules.code(space.module).table;
    ASSERT_TRUE(table);
    rows += table->rows.size();
    for (size_t i = 1; i < table->rows.size(); ++i)
      ASSERT_LT(table->rows[i - 1].pc, table->rows[i].pc);
    if (!table->rows.empty()) {
      EXPECT_LE(table->rows.back().pc, table->size);
    }
  }
  EXPECT_GT(rows, 20'000U);
}

TEST(ModuleStore, libc_has_stubs_signal_frames_and_outermost_frames) {
  Self self;
  bool signal = false, end = false, plt = false;
  for (const auto& space : self.spaces) {
    for (const UnwindRow& row : self.modules.code(space.module).table->rows) {
      signal = signal || row.type == UnwindType::kSignal;
      end = end || row.type == UnwindType::kEnd;
      plt = plt || row.type == UnwindType::kPlt;
    }
  }
  EXPECT_TRUE(signal && end && plt);
}

TEST(ModuleStore, the_same_file_gives_the_same_module) {
  ModuleStore modules;
  const auto first = modules.open_file("/proc/self/exe");
  const auto again = modules.open_file("/proc/self/exe");
  ASSERT_TRUE(first && again);
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(modules.size(), 1U);
}

TEST(ModuleStore, a_replaced_file_is_gone_not_mistaken) {
  for (Mapping mapping : own_mappings()) {
    if (!mapping.executable || mapping.inode == 0) continue;
    mapping.inode += 1;  // as if another file now had the path
    ModuleStore modules;
    const auto id = modules.open_module(kSelf, mapping);
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().kind, ErrorKind::kGone);
  }
}

TEST(ModuleStore, a_text_file_is_corrupt_and_memory_is_unsupported) {
  ModuleStore modules;
  const auto text = modules.open_file(UNCLOSED_SOURCE_DIR "/CMakeLists.txt");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, ErrorKind::kCorrupt);
  const auto memory = modules.open_module(kSelf, Mapping{});
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().kind, ErrorKind::kUnsupported);
}

TEST(ModuleStore, a_file_cut_short_while_it_is_open_reads_as_zeros) {
  const auto path =
      std::filesystem::temp_directory_path() / ("unclosed-cut-" + std::to_string(getpid()));
  std::filesystem::copy_file("/proc/self/exe", path);
  ModuleStore modules;
  const auto id = modules.open_file(path.string());
  ASSERT_TRUE(id);
  std::filesystem::resize_file(path, 4096);
  EXPECT_TRUE(modules.code(*id).table);
  Symbolizer symbolizer(modules);
  EXPECT_FALSE(symbolizer.name_address(*id, ElfAddr{0x10000}).empty());
  std::filesystem::remove(path);
}

__attribute__((noinline)) std::vector<void*> here() {
  std::vector<void*> pcs(64);
  pcs.resize(static_cast<size_t>(backtrace(pcs.data(), 64)));
  return pcs;
}

TEST(Symbolizer, a_stack_of_this_process_is_named_with_its_lines) {
  Self self;
  const uint32_t line = __LINE__ + 1;
  const auto pcs = here();
  RawStack raw;
  for (void* pc : pcs) {
    const auto* space = self.find(reinterpret_cast<uint64_t>(pc));
    ASSERT_NE(space, nullptr);
    raw.frames.push_back({space->module, ElfAddr{reinterpret_cast<uint64_t>(pc) - space->bias}});
  }
  Symbolizer symbolizer(self.modules);
  const auto named = symbolizer.name(raw);
  const auto find = [&](const std::string& part) {
    return std::find_if(named.frames.begin(), named.frames.end(), [&](const NamedFrame& frame) {
      return frame.function.find(part) != std::string::npos;
    });
  };
  ASSERT_NE(find("::here"), named.frames.end());
  EXPECT_TRUE(find("::here")->own);
  EXPECT_EQ(find("::here")->function, "unclosed::(anonymous namespace)::here");
  ASSERT_NE(find("TestBody"), named.frames.end());
  EXPECT_EQ(find("TestBody")->line, line);
  EXPECT_TRUE(find("TestBody")->file.ends_with("module_store_test.cc"));
  ASSERT_NE(find("__libc_start_main"), named.frames.end());
  EXPECT_FALSE(find("__libc_start_main")->own);
  ASSERT_NE(find("_start"), named.frames.end());
}

TEST(Symbolizer, exported_functions_are_named_as_dladdr_names_them) {
  Self self;
  Symbolizer symbolizer(self.modules);
  size_t compared = 0;
  for (const char* name : {"connect", "socket", "accept4", "sendto", "qsort", "fopen",
                           "getaddrinfo", "pthread_create", "epoll_wait", "close"}) {
    void* address = dlsym(RTLD_DEFAULT, name);
    const auto* space = self.find(reinterpret_cast<uint64_t>(address));
    if (space == nullptr) continue;
    const auto frames = symbolizer.name_address(
        space->module, ElfAddr{reinterpret_cast<uint64_t>(address) - space->bias});
    ASSERT_FALSE(frames.empty());
    EXPECT_NE(frames.back().function.find(name), std::string::npos) << frames.back().function;
    EXPECT_FALSE(frames.back().own);
    ++compared;
  }
  EXPECT_GE(compared, 8U);
}

TEST(Symbolizer, what_is_not_known_says_so) {
  ModuleStore modules;
  Symbolizer symbolizer(modules);
  EXPECT_EQ(symbolizer.name_address(kNoModule, ElfAddr{0x1a2b})[0].function, "[jit]+0x1a2b");
  EXPECT_EQ(symbolizer.name_address(7, ElfAddr{0x1a2b})[0].function, "[unknown]+0x1a2b");
  const auto id = modules.open_file("/proc/self/exe");
  const auto frames = symbolizer.name_address(*id, ElfAddr{0x7fffffff});
  EXPECT_EQ(frames[0].function, "[unknown]+0x7fffffff");
  EXPECT_FALSE(frames[0].own);
}

TEST(RuntimeOf, programs_and_libraries_tell_the_runtime) {
  const auto with = [](const char* library) {
    Mapping mapping;
    mapping.path = library;
    return std::vector<Mapping>{mapping};
  };
  EXPECT_EQ(runtime_of("/usr/bin/python3.11", {}, nullptr), "python3.11");
  EXPECT_EQ(runtime_of("/srv/uwsgi", with("/usr/lib/libpython3.11.so.1.0"), nullptr), "python3.11");
  EXPECT_EQ(runtime_of("/usr/bin/node", {}, nullptr), "node");
  EXPECT_EQ(runtime_of("/srv/launcher", with("/opt/jdk/lib/server/libjvm.so"), nullptr), "java");
  EXPECT_EQ(runtime_of("/srv/nodeagent", {}, nullptr), "native");
  EXPECT_EQ(runtime_of("/srv/app", with("/lib/libc.so.6"), nullptr), "native");
}

}  // namespace
}  // namespace unclosed
