#include "model/unnamed.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

NamedFrame frame(const char* function, const char* module) {
  return {function, "", 0, module, false, false};
}

TEST(Unnamed, the_innermost_frame_of_the_program_itself_is_told_by_its_place) {
  const std::vector<NamedFrame> frames = {
      frame("open64", "libc.so.6"), frame("[unknown]+0x99", "libx.so"),
      frame("[unknown]+0x11f3", "app [build id ab12]"), frame("[unknown]+0x1300", "app")};
  EXPECT_EQ(unnamed_place(frames, "/srv/app"), "app+0x11f3");
  EXPECT_FALSE(unnamed_place(frames, "/srv/other"));
  EXPECT_FALSE(unnamed_place(frames, ""));
}

TEST(Unnamed, a_program_with_names_has_no_such_place) {
  EXPECT_FALSE(unnamed_place({frame("load", "app")}, "/srv/app"));
}

}  // namespace
}  // namespace unclosed
