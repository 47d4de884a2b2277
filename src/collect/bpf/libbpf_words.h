// libbpf's own words, kept for the error message instead of flooding the terminal. One thread each.
#pragma once

#include <string>

#include "base/result.h"

namespace unclosed {

// What libbpf said on this thread while this lives.
class LibbpfWords {
 public:
  LibbpfWords();
  ~LibbpfWords();
  LibbpfWords(const LibbpfWords&) = delete;
  LibbpfWords& operator=(const LibbpfWords&) = delete;
  // The last non-empty line.
  std::string last() const;

 private:
  std::string x_words;
  std::string* x_before;
};

// Why the kernel did not take a program: kDenied where a privilege is missing, else kUnsupported.
// `words`: what was said meanwhile.
Error load_error(int errno_value, const std::string& words);

}  // namespace unclosed
