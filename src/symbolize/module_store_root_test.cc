// Binaries that are deleted or replaced while they run: reached through map_files, which needs
// root.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "symbolize/module_store.h"
#include "symbolize/runtime_of.h"
#include "symbolize/symbolizer.h"

namespace unclosed {
namespace {

std::vector<Mapping> code_of(pid_t pid) {
  std::vector<Mapping> all;
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping;
    char permissions[5] = {};
    int path_at = 0;
    if (sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
               &mapping.start, &mapping.end, permissions, &mapping.offset, &mapping.device_major,
               &mapping.device_minor, &mapping.inode, &path_at) < 7)
      continue;
    mapping.executable = permissions[2] == 'x';
    mapping.path = line.substr(static_cast<size_t>(path_at));
    mapping.deleted = mapping.path.ends_with(" (deleted)");
    if (mapping.deleted) mapping.path.resize(mapping.path.size() - 10);
    if (mapping.executable) all.push_back(mapping);
  }
  return all;
}

class Running : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    x_path =
        std::filesystem::temp_directory_path() / ("unclosed-sleep-" + std::to_string(getpid()));
    std::filesystem::copy_file("/bin/sleep", x_path);
    x_pid = fork();
    if (x_pid == 0) {
      execl(x_path.c_str(), "sleep", "60", nullptr);
      _exit(127);
    }
    for (int i = 0; i < 200; ++i) {  // until it has left our own image
      x_code = code_of(x_pid);
      if (x_code.size() > 2 && x_code[0].path == x_path) break;
      usleep(10'000);
    }
    ASSERT_EQ(x_code.at(0).path, x_path);
  }
  void TearDown() override {
    end();
    std::filesystem::remove(x_path);
  }
  void end() {
    if (x_pid <= 0) return;
    kill(x_pid, SIGKILL);
    waitpid(x_pid, nullptr, 0);
    x_pid = 0;
  }

  std::filesystem::path x_path;
  pid_t x_pid = 0;
  std::vector<Mapping> x_code;
};

TEST_F(Running, a_replaced_program_is_read_as_it_runs_and_after_it_has_ended) {
  ModuleStore modules;
  const auto expected = modules.open_file(x_path.string());
  ASSERT_TRUE(expected);
  std::filesystem::remove(x_path);
  std::filesystem::copy_file("/bin/ls", x_path);  // a new build under the old name
  x_code = code_of(x_pid);
  ASSERT_TRUE(x_code[0].deleted);
  const auto id = modules.open_module({x_pid, 0}, x_code[0]);
  ASSERT_TRUE(id) << id.error().context;
  EXPECT_EQ(*id, *expected) << "the same file gives the same module";
  EXPECT_TRUE(modules.find(*id)->executable);
  end();
  EXPECT_FALSE(modules.code(*id).table->rows.empty());
  Symbolizer symbolizer(modules);
  EXPECT_FALSE(symbolizer.name_address(*id, modules.code(*id).table->base).empty());
  EXPECT_TRUE(modules.bias(*id, x_code[0]));
}

TEST_F(Running, after_the_end_of_a_process_that_was_not_opened_its_modules_are_gone) {
  end();
  ModuleStore modules;
  const auto id = modules.open_module({x_pid, 0}, x_code[0]);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().kind, ErrorKind::kGone);
}

TEST_F(Running, a_native_program_is_called_native) {
  ModuleStore modules;
  EXPECT_EQ(runtime_of({x_pid, 0}, x_path.string(), x_code, modules), "native");
}

}  // namespace
}  // namespace unclosed
