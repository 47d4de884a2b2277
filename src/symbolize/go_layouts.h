// The one table of what Go's releases keep where: a line a field, a column a release. Taken from
// the DWARF of builds for amd64; a test compares it with the DWARF of each release. Pure; any
// thread.
//
// To add a release: 1. kNewestGo and a column in go_layouts.cc, 2. the build in
// go_layouts_root_test.cc, which says what is wrong in it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/go_runtime.h"

namespace unclosed {

// The releases that the table knows, by their minor number.
inline constexpr int kOldestGo = 18, kNewestGo = 26;
inline constexpr size_t kGoReleases = kNewestGo - kOldestGo + 1;

// One field in all releases. Without a name it stands for the size of the type.
struct GoField {
  std::string_view type, name;
  uint32_t GoRuntimeLayout::*place;
  std::array<int32_t, kGoReleases> offsets;  // negative: this release has no such field
};

std::span<const GoField> go_fields();
// nullopt: a release that the table does not know.
std::optional<GoRuntimeLayout> go_runtime_layout(int minor);

}  // namespace unclosed
