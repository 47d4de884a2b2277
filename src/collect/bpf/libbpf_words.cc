#include "collect/bpf/libbpf_words.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace unclosed {
namespace {

constexpr size_t kMostWords = 16384;
thread_local std::string* x_libbpf_words = nullptr;

int keep_words(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || x_libbpf_words == nullptr) return 0;
  char line[512];
  vsnprintf(line, sizeof line, format, arguments);
  if (x_libbpf_words->size() < kMostWords) *x_libbpf_words += line;
  return 0;
}

}  // namespace

LibbpfWords::LibbpfWords() : x_before(x_libbpf_words) {
  libbpf_set_print(keep_words);
  x_libbpf_words = &x_words;
}

LibbpfWords::~LibbpfWords() { x_libbpf_words = x_before; }

std::string LibbpfWords::last() const {
  const size_t end = x_words.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  const size_t newline = x_words.rfind('\n', end);
  const size_t begin = newline == std::string::npos ? 0 : newline + 1;
  return x_words.substr(begin, end - begin + 1);
}

Error load_error(int errno_value, const std::string& words) {
  Error error = system_error(errno_value, "loading the kernel side");
  if (!words.empty()) error.context += " (" + words + ")";
  // EACCES is the verifier's no to a program; a missing privilege is EPERM.
  if (errno_value == EPERM) {
    error.id = "UC-E004";
  } else {
    error.kind = ErrorKind::kUnsupported;
    error.id = "UC-E006";
  }
  return error;
}

}  // namespace unclosed
