// libbpf's own words, kept for the error message instead of flooding the terminal. One thread's
// words at a time.
#pragma once

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <string>

namespace unclosed {

// Where the words of this thread's calls go now.
inline thread_local std::string* x_libbpf_words = nullptr;

inline int keep_words(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || x_libbpf_words == nullptr) return 0;
  char line[512];
  vsnprintf(line, sizeof line, format, arguments);
  if (x_libbpf_words->size() < 16384) *x_libbpf_words += line;
  return 0;
}

// What libbpf said while this lives.
class LibbpfWords {
 public:
  LibbpfWords() {
    libbpf_set_print(keep_words);
    x_libbpf_words = &x_words;
  }
  ~LibbpfWords() { x_libbpf_words = nullptr; }
  LibbpfWords(const LibbpfWords&) = delete;
  LibbpfWords& operator=(const LibbpfWords&) = delete;
  // The last non-empty line.
  std::string last() const {
    const size_t end = x_words.find_last_not_of('\n');
    if (end == std::string::npos) return {};
    const size_t begin = x_words.rfind('\n', end);
    return x_words.substr(begin == std::string::npos ? 0 : begin + 1,
                          end - (begin == std::string::npos ? 0 : begin + 1) + 1);
  }

 private:
  std::string x_words;
};

}  // namespace unclosed
