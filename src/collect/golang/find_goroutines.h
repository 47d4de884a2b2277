// The list of all goroutines of a Go process, by its content: a slice whose first element is
// goroutine 1. And the checks that it must pass before anything read through it is believed. One
// thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collect/golang/go_process.h"
#include "collect/golang/remote_memory.h"

namespace unclosed {

// More than any process has: a length beyond it is no length.
inline constexpr uint64_t kMostGoroutines = uint64_t{1} << 26;

// Addresses of all slices in these variables whose first element passes for goroutine 1.
Result<std::vector<uint64_t>> scan_for_goroutines(RemoteMemory& memory,
                                                  const GoRuntimeLayout& layout,
                                                  const std::array<AddressRange, 2>& variables);

// What contradicts that the slice at `all` is the list of goroutines; nullopt: nothing does.
Result<std::optional<std::string>> check_goroutines(RemoteMemory& memory,
                                                    const GoRuntimeLayout& layout, uint64_t all);

}  // namespace unclosed
