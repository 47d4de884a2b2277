// What a live Go process's memory tells beside its goroutines, for a person: pools, requests, and
// who waits on which descriptor. Pure; any thread.
#pragma once

#include <cstddef>

#include "model/go_memory.h"
#include "report/text_page.h"

namespace unclosed {

enum class DescriptorLines : uint8_t { kNone, kAll };

// At most `top` pools and requests; of descriptors none or all.
void write_go_memory(const GoMemory& memory, size_t top, DescriptorLines descriptors,
                     TextPage& page);

}  // namespace unclosed
