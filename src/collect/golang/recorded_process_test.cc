#include "collect/golang/recorded_process.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace unclosed {
namespace {

std::string data(const std::string& name) {
  std::ifstream file(std::string(UNCLOSED_SOURCE_DIR) + "/tests/data/go_memory/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(RecordedProcess, the_readers_tell_of_a_recording_what_they_told_of_the_process) {
  const auto recording = GoRecording::of(data("recording"));
  ASSERT_TRUE(recording);
  const RecordedProc proc(*recording);
  EXPECT_EQ(recording::told_by(*recording, proc), data("told"));
}

TEST(RecordedProcess, a_line_that_is_none_is_refused) {
  EXPECT_FALSE(GoRecording::of("bites 1000 00\n"));
  EXPECT_FALSE(GoRecording::of("bytes 1001 00\n"));
  EXPECT_TRUE(GoRecording::of("bytes 1020 0102\n"));
}

}  // namespace
}  // namespace unclosed
