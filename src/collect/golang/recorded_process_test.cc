#include "collect/golang/recorded_process.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace unclosed {
namespace {

std::string path_of(const std::string& name) {
  return std::string(UNCLOSED_SOURCE_DIR) + "/tests/data/go_memory/" + name;
}

std::string data(const std::string& name) {
  std::ifstream file(path_of(name));
  return {std::istreambuf_iterator<char>(file), {}};
}

// Line by line, so that a difference can be read. UNCLOSED_UPDATE_GOLDEN=1 takes what was told.
void expect_told(const std::string& told) {
  if (std::getenv("UNCLOSED_UPDATE_GOLDEN") != nullptr) std::ofstream(path_of("told")) << told;
  std::istringstream ours(told), golden(data("told"));
  std::string one, other;
  for (int line = 1; bool(std::getline(ours, one)) | bool(std::getline(golden, other)); ++line) {
    ASSERT_EQ(one, other) << "line " << line;
    one.clear(), other.clear();
  }
}

TEST(RecordedProcess, the_readers_tell_of_a_recording_what_they_told_of_the_process) {
  const auto recording = GoRecording::of(data("recording"));
  ASSERT_TRUE(recording);
  const RecordedProc proc(*recording);
  expect_told(recording::told_by(*recording, proc));
}

TEST(RecordedProcess, a_line_that_is_none_is_refused) {
  EXPECT_FALSE(GoRecording::of("bites 1000 00\n"));
  EXPECT_FALSE(GoRecording::of("bytes 1001 00\n"));
  EXPECT_TRUE(GoRecording::of("bytes 1020 0102\n"));
}

}  // namespace
}  // namespace unclosed
