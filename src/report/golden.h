// Looks that are kept in tests/data/golden, for tests of the formats.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace unclosed {

// Compares with the kept file; UNCLOSED_UPDATE_GOLDEN=1 writes it anew, to be read in the diff.
inline void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = UNCLOSED_SOURCE_DIR "/tests/data/golden/" + name;
  if (std::getenv("UNCLOSED_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream kept;
  kept << file.rdbuf();
  EXPECT_EQ(text, kept.str()) << "look differs from tests/data/golden/" << name;
}

}  // namespace unclosed
