// The spool folder: one file a delivery.
#pragma once

#include <string>

namespace spool {

// A folder of `good` deliveries and one that was cut off; removed by remove().
std::string create(int good);
void remove(const std::string& folder);

int open_readonly(const std::string& path);

// Exactly `size` bytes from the start; throws std::runtime_error when there are fewer.
std::string read_exactly(int file, size_t size);

}  // namespace spool
