#include "spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace spool {

std::string create(int good) {
  std::string folder = (std::filesystem::temp_directory_path() / "spool-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no spool folder");
  for (int i = 0; i < good; ++i) {
    std::ofstream(folder + "/delivery-" + std::to_string(i)) << "DELIVERY 1 " << 1000 + i << "\n" << std::string(4000, 'x');
  }
  std::ofstream(folder + "/delivery-cut") << "DELI";
  return folder;
}

void remove(const std::string& folder) { std::filesystem::remove_all(folder); }

int open_readonly(const std::string& path) { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }

std::string read_exactly(int file, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t count = pread(file, bytes.data() + have, size - have, static_cast<off_t>(have));
    if (count <= 0) throw std::runtime_error("delivery is cut off after " + std::to_string(have) + " bytes");
    have += static_cast<size_t>(count);
  }
  return bytes;
}

}  // namespace spool
