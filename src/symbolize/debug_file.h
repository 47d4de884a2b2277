// Separate debug files: where distributions and debuginfod keep the DWARF that a stripped binary
// lacks. Looked for below the process's own root first, then on the host, and over the network only
// when DEBUGINFOD_URLS is set. A file of another build id is never taken. One thread at a time.
#pragma once

#include <string>

#include "symbolize/elf_file.h"
#include "symbolize/mapped_file.h"

namespace unclosed {

// The debug file of `elf`, which lies at `path` below `root` ("": the host's). Empty when it has
// its own DWARF, or when none is found.
MappedFile find_debug_file(const ElfFile& elf, const std::string& path, const std::string& root);
// From debuginfod, which may take seconds; empty when it is not configured or has none.
MappedFile fetch_debug_file(const std::string& build_id);

}  // namespace unclosed
