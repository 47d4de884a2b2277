// Address spaces by themselves, with code that nobody knows anything of.
#include "collect/bpf/spaces.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "collect/bpf/no_code.h"

namespace unclosed {
namespace {

Mapping code_at(uint64_t start) {
  Mapping mapping;
  mapping.start = start;
  mapping.end = start + 0x1000;
  mapping.executable = true;
  return mapping;
}

RawStack stack_of(const std::vector<uint64_t>& addresses) {
  RawStack stack;
  for (const uint64_t address : addresses) stack.frames.push_back({kNoModule, {address}});
  return stack;
}

TEST(Spaces, a_stack_through_code_that_was_loaded_since_shows_that_the_space_is_outdated) {
  auto kernel = KernelSide::load({});
  ASSERT_TRUE(kernel) << kernel.error().context;
  NoCode code;
  Spaces spaces(*kernel, code, {});
  const ProcessId self{::getpid(), 1};
  ASSERT_TRUE(spaces.install(self, {code_at(0x10000)}));
  const auto space = spaces.space_of(self);
  ASSERT_TRUE(space);
  const RawStack through = stack_of({0x10100, 0x50100, 0x10200});
  EXPECT_TRUE(spaces.outdated(*space, through));
  // A walk that lost its way ends with any number; a call may be the last that a mapping holds.
  EXPECT_FALSE(spaces.outdated(*space, stack_of({0x10100, 0x11000, 0x7})));
  ASSERT_TRUE(spaces.install(self, {code_at(0x10000), code_at(0x50000)}));
  EXPECT_FALSE(spaces.outdated(*space, through));
}

}  // namespace
}  // namespace unclosed
