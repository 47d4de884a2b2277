// Pointers as .eh_frame writes them (DW_EH_PE_* of the Linux Standard Base). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "symbolize/cursor.h"

namespace unclosed {

// Reads one and moves the cursor behind it. `cursor_base`: where the cursor's bytes begin in their
// section, which lies at `section_address`. nullopt: cut short, or of an encoding that is not made
// for x86-64.
std::optional<uint64_t> encoded_pointer(Cursor& in, uint8_t encoding, uint64_t section_address,
                                        uint64_t cursor_base);

}  // namespace unclosed
