// Records a Go process as the readers of its memory see it, leaves out what they do not need, and
// checks that they tell the same of the recording. With UNCLOSED_UPDATE_RECORDING=1 it is kept in
// tests/data/go_memory, which the fuzz target and the unit tests read. Needs the go command.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/holder_names.h"
#include "collect/golang/recorded_process.h"
#include "symbolize/go_layouts.h"

namespace unclosed {
namespace {

constexpr const char* kRelease = "1.26.8";

// The binary's code and names; notes what was asked for.
class Recorder : public CodeSource, public HolderNames {
 public:
  Recorder(CodeSource& code, GoRecording& recording) : x_code(code), x_recording(recording) {}
  void name_by(HolderNames& names) { x_names = &names; }
  // From here on there are no symbols.
  void strip() { x_stripped = true; }

  Result<ModuleId> open_module(const ProcessId& process, const Mapping& mapping) override {
    return x_code.open_module(process, mapping);
  }
  const ModuleCode& code(ModuleId module) override { return x_code.code(module); }
  std::optional<uint64_t> bias(ModuleId module, const Mapping& mapping) override {
    return x_code.bias(module, mapping);
  }
  std::optional<UnwindRow> go_row(ModuleId module, ElfAddr pc) override {
    const auto row = x_code.go_row(module, pc);
    if (row) x_recording.rows[pc.value] = *row;
    return row;
  }
  std::optional<ElfAddr> symbol(ModuleId module, std::string_view name) override {
    const auto found = x_stripped ? std::nullopt : x_code.symbol(module, name);
    if (found) x_recording.symbols[std::string(name)] = found->value;
    return found;
  }
  std::vector<std::optional<std::pair<ElfAddr, ElfAddr>>> go_functions(
      ModuleId module, std::span<const std::string_view> names) override {
    auto found = x_code.go_functions(module, names);
    for (size_t i = 0; i < names.size(); ++i) {
      if (found[i])
        x_recording.functions[std::string(names[i])] = {found[i]->first.value,
                                                        found[i]->second.value};
    }
    return found;
  }
  std::optional<GoVariable> variable_at(ElfAddr address) override {
    auto found = x_stripped ? std::nullopt : x_names->variable_at(address);
    if (found) x_recording.variables[address.value] = *found;
    return found;
  }
  std::vector<NamedFrame> frames_at(ElfAddr pc) override {
    auto found = x_names->frames_at(pc);
    if (!found.empty()) x_recording.frames[pc.value] = found;
    return found;
  }
  std::optional<std::string> release_of(std::string_view module) override {
    return x_names->release_of(module);
  }
  std::optional<GoFrameMap> frame_map(ElfAddr pc) override {
    auto found = x_names->frame_map(pc);
    if (found) x_recording.live[pc.value] = *found;
    return found;
  }

 private:
  CodeSource& x_code;
  HolderNames* x_names = nullptr;
  GoRecording& x_recording;
  bool x_stripped = false;
};

// Memory of a process that is stopped; notes each page that is read.
class PageNoter {
 public:
  PageNoter(pid_t pid, GoRecording& recording) : x_pid(pid), x_recording(recording) {}
  ssize_t operator()(std::span<const iovec> local, std::span<const iovec> remote) {
    const ssize_t got =
        ::process_vm_readv(x_pid, local.data(), local.size(), remote.data(), remote.size(), 0);
    for (const iovec& one : remote) {
      const auto start = reinterpret_cast<uint64_t>(one.iov_base);
      for (uint64_t at = start / kPage * kPage; at < start + one.iov_len; at += kPage) note(at);
    }
    return got;
  }

 private:
  static constexpr uint64_t kPage = GoRecording::kPage;
  void note(uint64_t at) {
    if (x_recording.pages.contains(at)) return;
    GoRecording::Page page{};
    const iovec into{page.data(), kPage}, from{reinterpret_cast<void*>(at), kPage};
    if (::process_vm_readv(x_pid, &into, 1, &from, 1, 0) == ssize_t{kPage})
      x_recording.pages.emplace(at, page);
  }
  pid_t x_pid;
  GoRecording& x_recording;
};

class GoRecordingOf : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = std::filesystem::temp_directory_path() / "unclosed-recording-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    x_folder = folder;
    std::filesystem::copy_file(
        std::string(UNCLOSED_SOURCE_DIR) + "/src/cli/testdata/recorded/main.go",
        x_folder / "main.go");
    std::ofstream(x_folder / "go.mod") << "module example/recorded\n\ngo 1.18\n";
    const std::string go = fmt::format(
        "cd {} && CGO_ENABLED=0 GOFLAGS=-mod=mod GOTOOLCHAIN=go{} go ", folder, kRelease);
    if (std::system((go + "version >version 2>&1").c_str()) != 0)
      GTEST_SKIP() << "go" << kRelease << " cannot be fetched, or does not run here";
    ASSERT_EQ(std::system((go + "build -o recorded . >said 2>&1").c_str()), 0);
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe(out.data()), 0);
    x_child = ::fork();
    if (x_child == 0) {
      ::dup2(out[1], 1);
      ::setenv("GOMAXPROCS", "1", 1);
      const std::string program = x_folder / "recorded";
      ::execl(program.c_str(), program.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    std::array<char, 64> line{};
    ASSERT_EQ(::read(out[0], line.data(), line.size()), 6);
    ::close(out[0]);
    ::kill(x_child, SIGSTOP);
    ::waitpid(x_child, nullptr, WUNTRACED);
  }
  void TearDown() override {
    if (x_child > 0) {
      ::kill(x_child, SIGKILL);
      ::waitpid(x_child, nullptr, 0);
    }
    std::filesystem::remove_all(x_folder);
  }

  // Reads the process as it is; what it told.
  std::string record();
  static void leave_out_what_is_zero(GoRecording& recording);

  std::filesystem::path x_folder;
  pid_t x_child = -1;
  GoRecording x_recording;
};

std::string GoRecordingOf::record() {
  const auto id = ProcFs().identify(x_child);
  if (!id) return id.error().context;
  ModuleStore modules;
  Recorder recorder(modules, x_recording);
  const auto memory = RemoteMemory::over(*id, PageNoter(x_child, x_recording));
  auto process = GoProcess::open(memory, recorder);
  if (!process) return process.error().context;
  Symbolizer symbolizer(modules);
  HolderNamesOf names(*process, modules, symbolizer);
  recorder.name_by(names);
  std::string told = recording::tell(*process, recorder, {});
  recorder.strip();
  auto stripped = GoProcess::open(memory, recorder);
  if (!stripped) return stripped.error().context;
  told += "without symbols\n" + recording::tell(*stripped, recorder, {});
  EXPECT_EQ(process->to_file(4096).value, 4096U) << "it moved: addresses are those of the file";
  const GoLayout& go = *recorder.code(process->module()).go;
  x_recording.version = process->version();
  x_recording.layout = process->layout();
  x_recording.text = go.text;
  x_recording.module_data = go.module_data.value_or(ElfAddr()).value;
  x_recording.all_goroutines = go.all_goroutines.value_or(ElfAddr()).value;
  for (const Mapping& one : ProcFs().mappings(*id).value_or(std::vector<Mapping>())) {
    const bool code = one.executable && one.inode != 0;
    const bool anonymous = one.writable && one.path.empty();
    if (!code && !anonymous) continue;
    x_recording.mappings.push_back(one);
    x_recording.mappings.back().path = code ? "/recorded" : "";
    x_recording.mappings.back().inode = code ? 1 : 0;
  }
  return told;
}

void GoRecordingOf::leave_out_what_is_zero(GoRecording& recording) {
  for (const auto& [start, page] : recording.pages) {
    auto last =
        recording.zeroes.empty() ? recording.zeroes.end() : std::prev(recording.zeroes.end());
    if (last != recording.zeroes.end() && last->second == start)
      last->second += GoRecording::kPage;
    else
      recording.zeroes[start] = start + GoRecording::kPage;
  }
  std::erase_if(recording.pages, [](const auto& one) { return one.second == GoRecording::Page{}; });
}

// Parts of memory, by address and size, of which each is made zero unless something is told
// differently then.
class Reducer {
 public:
  Reducer(GoRecording& recording, std::function<bool()> same)
      : x_recording(recording), x_same(std::move(same)) {}
  void reduce(std::span<const std::pair<uint64_t, size_t>> parts) {
    if (parts.empty()) return;
    std::vector<std::vector<std::byte>> kept;
    for (const auto& [at, size] : parts) {
      const auto place = part(at, size);
      kept.emplace_back(place.begin(), place.end());
      std::fill(place.begin(), place.end(), std::byte{0});
    }
    if (x_same()) return;
    for (size_t i = 0; i < parts.size(); ++i)
      std::copy(kept[i].begin(), kept[i].end(), part(parts[i].first, parts[i].second).begin());
    if (parts.size() == 1) return;
    reduce(parts.first(parts.size() / 2));
    reduce(parts.subspan(parts.size() / 2));
  }

 private:
  std::span<std::byte> part(uint64_t at, size_t size) {
    auto& page = x_recording.pages.at(at / GoRecording::kPage * GoRecording::kPage);
    return std::span(page).subspan(at % GoRecording::kPage, size);
  }
  GoRecording& x_recording;
  std::function<bool()> x_same;
};

TEST_F(GoRecordingOf, a_process_and_its_recording_tell_the_same) {
  const std::string told = record();
  leave_out_what_is_zero(x_recording);
  {
    const RecordedProc proc(x_recording);
    EXPECT_EQ(recording::told_by(x_recording, proc), told);
  }
  const auto again = GoRecording::of(x_recording.to_text());
  ASSERT_TRUE(again);
  const RecordedProc proc(*again);
  EXPECT_EQ(recording::told_by(*again, proc), told);
  EXPECT_EQ(again->layout, go_runtime_layout(26)) << "tests/data/go_memory is of another layout";
  for (const std::string_view part : {"\npool 2 1 1", "request serving", "request awaiting",
                                      "main.sessions", "main.wait", "main.read"})
    EXPECT_NE(told.find(part), std::string::npos) << part << "\n" << told;
  if (std::getenv("UNCLOSED_UPDATE_RECORDING") == nullptr) return;

  Reducer reducer(x_recording, [&] { return recording::told_by(x_recording, proc) == told; });
  for (const size_t size : {size_t{4096}, size_t{512}, size_t{64}}) {
    std::vector<std::pair<uint64_t, size_t>> parts;
    for (const auto& [start, page] : x_recording.pages)
      for (uint64_t at = start; at < start + page.size(); at += size) parts.emplace_back(at, size);
    reducer.reduce(parts);
    std::erase_if(x_recording.pages,
                  [](const auto& one) { return one.second == GoRecording::Page{}; });
  }
  const auto folder = std::filesystem::path(UNCLOSED_SOURCE_DIR) / "tests/data/go_memory";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "recording") << x_recording.to_text();
  std::ofstream(folder / "told") << told;
}

}  // namespace
}  // namespace unclosed
