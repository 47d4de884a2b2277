// Builds an optimised C++ program and compares our names and lines at each of its call instructions
// with those that addr2line prints (function, file and line of every inlined frame).
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "symbolize/plain_name.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

std::string shell(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 65536> buffer{};
  for (size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), n);
  return pclose(pipe) == 0 ? text : std::string();
}

struct Shown {
  std::string function, file;
  uint32_t line = 0;
};

std::string last(const std::string& name) { return name.substr(name.rfind(':') + 1); }

class NativeNames : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    x_folder =
        std::filesystem::temp_directory_path() / ("unclosed-cpp-" + std::to_string(getpid()));
    std::filesystem::create_directories(x_folder);
    x_program = (x_folder / "program").string();
    if (shell("command -v objdump && command -v addr2line").empty())
      GTEST_SKIP() << "there are no binutils";
    const std::string compile = GetParam();
    if (shell("command -v " + compile.substr(0, compile.find(' '))).empty())
      GTEST_SKIP() << "there is no " << compile;
    shell(compile + " -std=c++20 -o " + x_program + " " + UNCLOSED_SOURCE_DIR +
          "/src/symbolize/testdata/cpp/inlines.cpp 2>&1");
    std::istringstream lines(
        shell("objdump -d --no-show-raw-insn " + x_program +
              " | awk '/^ +[0-9a-f]+:/ && $2 ~ /call/ {sub(\":\", \"\", $1); print $1}'"));
    for (std::string line; lines >> line;) x_calls.push_back(std::stoull(line, nullptr, 16));
    ASSERT_GT(x_calls.size(), 50U);
  }
  void TearDown() override { std::filesystem::remove_all(x_folder); }

  std::filesystem::path x_folder;
  std::string x_program;
  std::vector<uint64_t> x_calls;
};

// addr2line's frames at each address, in the order asked.
std::vector<std::vector<Shown>> reference(const std::string& program,
                                          const std::vector<uint64_t>& at) {
  std::ostringstream command;
  command << "addr2line -a -i -f -e " << program << std::hex;
  for (const uint64_t address : at) command << " 0x" << address;
  std::istringstream lines(shell(command.str()));
  std::vector<std::vector<Shown>> all;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0x")) {
      all.emplace_back();
      continue;
    }
    std::string where;
    std::getline(lines, where);
    where = where.substr(0, where.find(" (discriminator"));
    const size_t colon = where.rfind(':');
    Shown shown{line, where.substr(0, colon), 0};
    if (where.substr(colon + 1) != "?")
      shown.line = static_cast<uint32_t>(std::stoul(where.substr(colon + 1)));
    all.back().push_back(shown);
  }
  return all;
}

TEST_P(NativeNames, every_call_is_named_as_addr2line_names_it) {
  ModuleStore modules;
  const auto id = modules.open_file(x_program);
  ASSERT_TRUE(id);
  Symbolizer symbolizer(modules);
  const auto expected = reference(x_program, x_calls);
  ASSERT_EQ(expected.size(), x_calls.size());
  size_t compared = 0, equal = 0;
  for (size_t i = 0; i < x_calls.size(); ++i) {
    if (expected[i].empty() || expected[i][0].line == 0) continue;
    const auto ours = symbolizer.name_address(*id, ElfAddr{x_calls[i]});
    ++compared;
    bool same = ours.size() == expected[i].size();
    for (size_t k = 0; same && k < ours.size(); ++k) {
      // addr2line prints linkage names of functions, plain ones of inlined calls.
      const std::string theirs = without_template(last(plain_symbol(expected[i][k].function)));
      const bool lambda = last(ours[k].function) == "{lambda}";
      // Where several rows share the address of a call, ours is the one that gdb shows, and
      // addr2line takes the last: lines of the innermost frame are held against gdb in
      // tests/chains.
      const bool same_line = ours[k].line == expected[i][k].line &&
                             std::filesystem::path(ours[k].file).filename() ==
                                 std::filesystem::path(expected[i][k].file).filename();
      same = (k == 0 || same_line) && (lambda || last(ours[k].function) == theirs);
      if (!same)
        printf("%lx frame %zu: %s %s:%u, theirs %s %s:%u\n", x_calls[i], k,
               ours[k].function.c_str(), ours[k].file.c_str(), ours[k].line, theirs.c_str(),
               expected[i][k].file.c_str(), expected[i][k].line);
    }
    equal += same;
    if (!same && ours.size() != expected[i].size())
      printf("%lx: %zu frames, theirs %zu\n", x_calls[i], ours.size(), expected[i].size());
  }
  printf("%zu of %zu calls equal\n", equal, compared);
  EXPECT_GT(compared, 50U);
  EXPECT_GE(equal * 100, compared * 99);
}

TEST_P(NativeNames, names_are_qualified_without_parameters_and_only_own_code_is_own) {
  ModuleStore modules;
  const auto id = modules.open_file(x_program);
  ASSERT_TRUE(id);
  Symbolizer symbolizer(modules);
  bool open = false, lambda = false, anonymous = false, convert = false;
  for (const uint64_t call : x_calls) {
    for (const NamedFrame& frame : symbolizer.name_address(*id, ElfAddr{call})) {
      const bool mine = frame.file.ends_with("inlines.cpp");
      EXPECT_EQ(frame.own, mine) << frame.function << " " << frame.file;
      open = open || frame.function == "store::Repo::open";
      convert = convert || frame.function == "store::Repo::convert";
      lambda = lambda || frame.function == "handle::{lambda}";
      anonymous = anonymous || frame.function == "store::(anonymous namespace)::deep";
      EXPECT_EQ(frame.function.find('<') != std::string::npos,
                frame.function.find("operator<") != std::string::npos)
          << frame.function;
    }
  }
  EXPECT_TRUE(open && convert && anonymous);
  EXPECT_TRUE(lambda);
}

TEST_P(NativeNames, a_separate_debug_file_names_a_stripped_program) {
  const std::string stripped = (x_folder / "stripped").string();
  const std::string debug = (x_folder / "stripped.debug").string();
  for (const char* build_id : {"", "-R .note.gnu.build-id "}) {
    shell("objcopy --only-keep-debug " + x_program + " " + debug + "; objcopy " + build_id +
          "--strip-all --add-gnu-debuglink=" + debug + " " + x_program + " " + stripped);
    ModuleStore modules;
    const auto whole = modules.open_file(x_program);
    const auto id = modules.open_file(stripped);
    ASSERT_TRUE(id && whole);
    Symbolizer symbolizer(modules);
    for (const uint64_t call : x_calls) {
      const auto with = symbolizer.name_address(*id, ElfAddr{call});
      const auto expected = symbolizer.name_address(*whole, ElfAddr{call});
      ASSERT_EQ(with.size(), expected.size());
      EXPECT_EQ(with[0].function, expected[0].function);
      EXPECT_EQ(with[0].line, expected[0].line);
    }
    // Another file of that name is not taken.
    std::filesystem::copy_file("/proc/self/exe", debug,
                               std::filesystem::copy_options::overwrite_existing);
    ModuleStore others;
    const auto other = others.open_file(stripped);
    ASSERT_TRUE(other);
    EXPECT_TRUE(others.find(*other)->debug.bytes().empty());
  }
}

TEST_P(NativeNames, a_stripped_program_is_named_by_what_it_exports_or_says_unknown) {
  const std::string stripped = (x_folder / "stripped").string();
  shell("objcopy --strip-all " + x_program + " " + stripped);
  ModuleStore modules;
  const auto id = modules.open_file(stripped);
  ASSERT_TRUE(id);
  Symbolizer symbolizer(modules);
  const auto whole = modules.open_file(x_program);
  ASSERT_TRUE(whole);
  size_t unknown = 0;
  for (const uint64_t call : x_calls) {
    const auto frames = symbolizer.name_address(*id, ElfAddr{call});
    ASSERT_EQ(frames.size(), 1U);
    if (frames[0].function.starts_with("[unknown]+0x")) {
      // Where no name is known the build id says which file it was, where the linker wrote one.
      const std::string build_id = modules.find(*id)->build_id;
      EXPECT_EQ(frames[0].module,
                build_id.empty() ? "stripped" : "stripped [build id " + build_id + "]");
      ++unknown;
    } else {
      EXPECT_EQ(frames[0].module, "stripped");
      EXPECT_EQ(frames[0].function, symbolizer.name_address(*whole, ElfAddr{call}).back().function);
    }
  }
  EXPECT_GT(unknown, 0U);
}

// The end of an inlined function may leave a row and no instruction: gcc puts it before the row of
// the call that follows, at one address, and says that a statement begins there.
TEST(NativeLines, of_rows_that_share_an_address_the_instructions_own_counts) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("unclosed-rows-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string program = (folder / "program").string();
  std::ofstream(folder / "program.c") << R"(
int main(void)
{
  __asm__ volatile(
      ".loc 1 20 0 is_stmt 1\n"
      ".loc 1 20 0 is_stmt 0\n"
      ".loc 1 30 0 is_stmt 0\n"
      ".globl the_call\nthe_call: nop; nop; nop\n"
      ".loc 1 40 0 is_stmt 1\nnop");
  return 0;
}
)";
  if (shell("command -v gcc && command -v nm && command -v addr2line").empty())
    GTEST_SKIP() << "there is no gcc";
  shell("gcc -O2 -g -o " + program + " " + program + ".c 2>&1");
  const std::string symbol = shell("nm " + program + " | grep the_call");
  ASSERT_FALSE(symbol.empty());
  const uint64_t call = std::stoull(symbol, nullptr, 16);
  ModuleStore modules;
  const auto id = modules.open_file(program);
  ASSERT_TRUE(id);
  Symbolizer symbolizer(modules);
  for (const uint64_t at : {call, call + 2}) {
    const auto theirs = reference(program, {at});
    const auto ours = symbolizer.name_address(*id, ElfAddr{at});
    ASSERT_EQ(ours.size(), 1U);
    EXPECT_EQ(ours[0].function, "main");
    EXPECT_EQ(ours[0].line, 30U);
    EXPECT_EQ(theirs.at(0).at(0).line, 30U);
  }
  std::filesystem::remove_all(folder);
}

class RustNames : public testing::TestWithParam<const char*> {
 protected:
  // The frames of all calls in the program, built with `options`.
  std::vector<NamedFrame> frames(const std::string& options) {
    const auto folder =
        std::filesystem::temp_directory_path() / ("unclosed-rust-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    const std::string program = (folder / "current").string();
    shell("rustc --edition 2021 --crate-name rates -O " + options + " " + GetParam() +
          " -o " + program + " " + UNCLOSED_SOURCE_DIR +
          "/src/symbolize/testdata/rates/src/main.rs 2>&1");
    ModuleStore modules;
    const auto id = modules.open_file(program);
    std::vector<NamedFrame> all;
    if (!id) return all;
    modules.find(*id)->executable = true;
    Symbolizer symbolizer(modules);
    std::istringstream calls(
        shell("objdump -d --no-show-raw-insn " + program +
              " | awk '/^ +[0-9a-f]+:/ && $2 ~ /call/ {sub(\":\", \"\", $1); print $1}'"));
    for (std::string line; calls >> line;)
      for (auto& frame : symbolizer.name_address(*id, ElfAddr{std::stoull(line, nullptr, 16)}))
        all.push_back(std::move(frame));
    std::filesystem::remove_all(folder);
    return all;
  }
  void SetUp() override {
    if (shell("command -v objdump && command -v rustc").empty())
      GTEST_SKIP() << "there is no rustc";
  }
};

TEST_P(RustNames, without_debug_information_the_crate_of_the_program_is_own) {
  // The second keeps the debug information of std, which knows nothing of the program.
  for (const char* options : {"-C strip=debuginfo", "-C strip=none"}) {
    const auto all = frames(options);
    ASSERT_GT(all.size(), 50U);
    std::set<std::string> own;
    size_t of_std = 0;
    for (const NamedFrame& frame : all) {
      EXPECT_FALSE(frame.function.starts_with("_R") || frame.function.starts_with("_ZN"))
          << frame.function;
      if (frame.own) own.insert(frame.function);
      of_std += frame.function.starts_with("std::");
    }
    EXPECT_EQ(own, (std::set<std::string>{"rates::main", "rates::twice", "rates::desk::Desk::hedge",
                                          "<rates::desk::Desk as rates::desk::Dial>::dial"}));
    EXPECT_GT(of_std, 0U);
  }
}

TEST_P(RustNames, with_line_tables_alone_names_are_whole) {
  const auto all = frames("-C debuginfo=line-tables-only");
  ASSERT_GT(all.size(), 50U);
  std::set<std::string> own;
  for (const NamedFrame& frame : all) {
    EXPECT_FALSE(frame.function.starts_with('{')) << frame.function;
    if (frame.own) own.insert(frame.function);
  }
  for (const char* function :
       {"rates::main", "rates::{closure#0}", "rates::twice", "rates::desk::Desk::hedge",
        "rates::desk::{closure#0}", "<rates::desk::Desk as rates::desk::Dial>::dial"})
    EXPECT_TRUE(own.contains(function)) << function;
}

INSTANTIATE_TEST_SUITE_P(Manglings, RustNames,
                         testing::Values("", "-C symbol-mangling-version=v0"));

INSTANTIATE_TEST_SUITE_P(Compilers, NativeNames,
                         testing::Values("g++ -O2 -g", "g++ -O2 -g -gdwarf-4", "g++ -O3 -g -flto",
                                         "clang++ -O2 -gdwarf-4"));

}  // namespace
}  // namespace unclosed
