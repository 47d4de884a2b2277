// Builds a Go program with each release that the reader knows, in each way that matters, runs it,
// and compares our names with those that Go's own runtime printed. Needs the go command; a release
// that it cannot fetch is skipped, aloud.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

struct Build {
  const char* release;
  const char* name;
  const char* flags;
};

void PrintTo(const Build& build, std::ostream* out) { *out << build.release << " " << build.name; }

struct Output {
  std::string text;
  int status = 0;
};

Output shell(const std::string& command) {
  Output output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {"", -1};
  std::array<char, 65536> buffer{};
  for (size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    output.text.append(buffer.data(), n);
  output.status = pclose(pipe);
  return output;
}

// One frame as text. Go prints "?" and 0 where it knows nothing.
std::string shown(const std::string& function, const std::string& file, uint32_t line) {
  return function + " " + (file == "?" ? "" : file) + ":" + std::to_string(line);
}

std::string without_arguments(std::string function) {
  const size_t open = function.find('['), close = function.rfind(']');
  if (open == std::string::npos || close < open) return function;
  return function.substr(0, open) + "[...]" + function.substr(close + 1);
}

class GoNames : public testing::TestWithParam<Build> {
 protected:
  void SetUp() override {
    const Build& build = GetParam();
    x_folder = std::filesystem::temp_directory_path() / ("unclosed-go-" + std::to_string(getpid()));
    std::filesystem::create_directories(x_folder);
    x_program = x_folder / "program";
    const std::string environment =
        std::string("cd ") + UNCLOSED_SOURCE_DIR + "/src/symbolize/testdata/go && CGO_ENABLED=" +
        (std::string(build.flags).find("external") != std::string::npos ? "1" : "0") +
        " GODEBUG=goindex=0 GOFLAGS=-mod=mod GOTOOLCHAIN=go" + build.release + " ";
    if (shell("command -v go").status != 0) GTEST_SKIP() << "there is no go command";
    if (shell(environment + "go list . 2>/dev/null").status != 0)
      GTEST_SKIP() << "go" << build.release << " cannot be fetched, or does not run here";
    const auto made =
        shell(environment + "go build " + build.flags + " -o " + x_program.string() + " . 2>&1");
    ASSERT_EQ(made.status, 0) << made.text;
    const auto ran = shell(x_program.string());
    ASSERT_EQ(ran.status, 0) << ran.text;
    x_lines = ran.text;
    const auto id = x_modules.open_file(x_program.string());
    ASSERT_TRUE(id) << id.error().context;
    x_id = *id;
  }
  void TearDown() override { std::filesystem::remove_all(x_folder); }

  void set_bias(std::istringstream& fields) {
    std::string range, permissions, offset;
    fields >> range >> permissions >> offset;
    Mapping mapping;
    mapping.start = std::stoull(range, nullptr, 16);
    mapping.end = std::stoull(range.substr(range.find('-') + 1), nullptr, 16);
    mapping.offset = std::stoull(offset, nullptr, 16);
    const auto bias = x_modules.bias(x_id, mapping);
    ASSERT_TRUE(bias);
    x_bias = *bias;
  }

  std::vector<std::string> named(std::istringstream& addresses) {
    RawStack raw;
    raw.frames.push_back({kNoModule, ElfAddr{1}});  // stands for the frame that printed the stack
    for (std::string pc; addresses >> pc;)
      raw.frames.push_back({x_id, ElfAddr{std::stoull(pc, nullptr, 16) - x_bias}});
    std::vector<std::string> frames;
    for (const NamedFrame& frame : x_symbolizer.name(raw).frames)
      frames.push_back(shown(frame.function, frame.file, frame.line));
    frames.erase(frames.begin());
    return frames;
  }

  std::filesystem::path x_folder, x_program;
  std::string x_lines;
  ModuleStore x_modules;
  Symbolizer x_symbolizer{x_modules};
  ModuleId x_id = 0;
  uint64_t x_bias = 0;
};

TEST_P(GoNames, stacks_are_named_as_go_names_them) {
  std::istringstream lines(x_lines);
  std::vector<std::string> ours, theirs;
  size_t stacks = 0;
  const auto compare = [&] {
    if (!theirs.empty()) {
      EXPECT_EQ(ours, theirs);
    }
    theirs.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string kind, function, file;
    uint32_t number = 0;
    fields >> kind;
    if (kind == "map") set_bias(fields);
    if (kind == "stack") {
      compare();
      ours = named(fields);
      ++stacks;
    } else if (kind == "frame") {
      fields >> function >> file >> number;
      theirs.push_back(shown(without_arguments(function), file, number));
    }
  }
  compare();
  EXPECT_GT(stacks, 15U);
}

TEST_P(GoNames, frames_are_stepped_by_their_sizes) {
  const Module* module = x_modules.find(x_id);
  ASSERT_TRUE(module != nullptr && module->go);
  const auto row_of = [&](const char* function, uint64_t behind) -> std::optional<UnwindRow> {
    const auto entry = module->go->function_address(function);
    return entry ? x_modules.go_row(x_id, ElfAddr{*entry + behind}) : std::nullopt;
  };
  // At its entry a function has nothing on the stack but the return address.
  EXPECT_EQ(row_of("main.main", 0), (UnwindRow{0, 1, 0, UnwindType::kRsp}));
  EXPECT_EQ(row_of("runtime.goexit", 1), (UnwindRow{0, kOutermost, 0, UnwindType::kEnd}));
  EXPECT_EQ(row_of("runtime.mcall", 0), (UnwindRow{0, 0, 0, UnwindType::kEnd}));
  EXPECT_FALSE(x_modules.go_row(x_id, ElfAddr{1}));
  const auto& go = x_modules.code(x_id).go;
  ASSERT_TRUE(go);
  EXPECT_TRUE(go->all_goroutines);
}

TEST_P(GoNames, any_address_is_named_as_go_names_it) {
  std::istringstream lines(x_lines);
  size_t compared = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string kind, pc, function, file;
    uint32_t number = 0;
    fields >> kind;
    if (kind == "map") set_bias(fields);
    if (kind != "pc") continue;
    fields >> pc >> function >> file >> number;
    const uint64_t address = std::stoull(pc, nullptr, 16) - x_bias - 1;
    const auto frames = x_symbolizer.name_address(x_id, ElfAddr{address});
    // Wrappers are left out of stacks, though Go names them when asked for just that address.
    if (frames.empty() || frames[0].file == "<autogenerated>") continue;
    ++compared;
    const auto ours = shown(frames[0].function, frames[0].file, frames[0].line);
    const auto theirs = shown(without_arguments(function), file, number);
    if (ours != theirs && frames.size() == 1 && frames[0].line != 0) {
      EXPECT_EQ(ours, theirs) << pc;
    }
  }
  EXPECT_GT(compared, 1000U);
}

TEST_P(GoNames, own_code_is_the_program_and_its_module) {
  for (const auto& [function, own] : {std::pair<const char*, bool>{"main.run", true},
                                      {"example/names/store.Visit", true},
                                      {"fmt.Fprintf", false},
                                      {"sort.Sort", false},
                                      {"runtime.main", false}}) {
    const auto& go = x_modules.find(x_id)->go;
    const auto address = go->function_address(function);
    ASSERT_TRUE(address) << function;
    const auto frames = x_symbolizer.name_address(x_id, ElfAddr{*address});
    ASSERT_FALSE(frames.empty()) << function;
    EXPECT_EQ(frames.back().function, function);
    EXPECT_EQ(frames.back().own, own) << function;
  }
}

TEST_P(GoNames, a_function_interrupted_at_its_first_instruction_is_named) {
  const auto& go = x_modules.find(x_id)->go;
  const auto interrupted = go->function_address("main.run");
  ASSERT_TRUE(interrupted);
  for (const char* interrupter : {"runtime.asyncPreempt", "runtime.sigpanic"}) {
    const auto address = go->function_address(interrupter);
    ASSERT_TRUE(address) << interrupter;
    RawStack raw;
    raw.frames = {{x_id, ElfAddr{*address + 1}}, {x_id, ElfAddr{*interrupted}}};
    const auto frames = x_symbolizer.name(raw).frames;
    ASSERT_EQ(frames.size(), 2U) << interrupter;
    EXPECT_EQ(frames[1].function, "main.run") << interrupter;
  }
}

TEST_P(GoNames, the_layout_says_release_goid_and_syscall_stubs) {
  const ModuleCode& code = x_modules.code(x_id);
  ASSERT_TRUE(code.go);
  EXPECT_EQ(code.go->version, std::string("go") + GetParam().release);
  EXPECT_EQ(code.go->g_tls_offset, -8);
  const bool external = std::string(GetParam().flags).find("external") != std::string::npos;
  EXPECT_EQ(code.frame_pointers, !external);
  EXPECT_EQ(code.table != nullptr, external);
  bool syscall = false;
  for (const auto& [start, end] : code.go->frameless) {
    for (uint64_t at = start.value; at < end.value; at += 16) {
      const auto frames = x_symbolizer.name_address(x_id, ElfAddr{at});
      syscall =
          syscall || (!frames.empty() && frames[0].function.find("yscall") != std::string::npos);
    }
  }
  EXPECT_TRUE(syscall);
  EXPECT_TRUE(x_modules.notes(x_id).empty()) << x_modules.notes(x_id)[0];
}

TEST_P(GoNames, go_code_beside_c_code_is_walked_by_frame_pointers) {
  const ModuleCode& code = x_modules.code(x_id);
  if (!code.table) GTEST_SKIP() << "no C code in it";
  const auto [start, end] = x_modules.find(x_id)->go->text_range();
  const auto& rows = code.table->rows;
  const auto row_at = [&](uint64_t address) {
    const auto pc = static_cast<uint32_t>(address - code.table->base.value);
    auto at = std::upper_bound(rows.begin(), rows.end(), pc,
                               [](uint32_t value, const UnwindRow& row) { return value < row.pc; });
    return at == rows.begin() ? UnwindRow{} : *std::prev(at);
  };
  EXPECT_EQ(row_at(start).type, UnwindType::kFramePointer);
  EXPECT_EQ(row_at((start + end) / 2).type, UnwindType::kFramePointer);
  EXPECT_EQ(row_at(end - 1).type, UnwindType::kFramePointer);
  EXPECT_NE(row_at(end).type, UnwindType::kFramePointer);
  EXPECT_TRUE(std::any_of(rows.begin(), rows.end(),
                          [](const UnwindRow& row) { return row.type == UnwindType::kRsp; }));
  for (size_t i = 1; i < rows.size(); ++i) ASSERT_LT(rows[i - 1].pc, rows[i].pc);
}

TEST_P(GoNames, the_offsets_in_g_are_those_of_the_dwarf) {
  const std::string flags = GetParam().flags;
  if (flags.find("-s -w") != std::string::npos) GTEST_SKIP() << "stripped: no DWARF to ask";
  if (shell("command -v gdb").status != 0) GTEST_SKIP() << "there is no gdb";
  const auto offset_of = [&](const std::string& field) -> std::optional<unsigned long> {
    const auto said =
        shell("gdb -nx -batch -ex 'set language c' -ex \"print/d &(('runtime.g' *)0)->" + field +
              "\" " + x_program.string() + " 2>/dev/null");
    const size_t at = said.text.find("= ");
    if (at == std::string::npos) return std::nullopt;
    return std::stoul(said.text.substr(at + 2));
  };
  const auto goid = offset_of("goid");
  if (!goid) GTEST_SKIP() << "this gdb does not read its DWARF";
  EXPECT_EQ(x_modules.code(x_id).go->goid_offset, *goid);
  EXPECT_EQ(x_modules.code(x_id).go->gopc_offset, offset_of("gopc"));
}

std::vector<Build> builds() {
  std::vector<Build> all;
  for (const char* release : {"1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12",
                              "1.24.10", "1.25.5", "1.26.8"}) {
    all.push_back({release, "plain", ""});
    all.push_back({release, "stripped", "-ldflags='-s -w'"});
    all.push_back({release, "pie", "-buildmode=pie -ldflags='-s -w'"});
    all.push_back({release, "trimmed", "-trimpath"});
    all.push_back({release, "external", "-ldflags=-linkmode=external"});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Releases, GoNames, testing::ValuesIn(builds()), [](const auto& one) {
  std::string name = std::string(one.param.release) + "_" + one.param.name;
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace unclosed
