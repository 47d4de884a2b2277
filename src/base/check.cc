#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace unclosed {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "unclosed: a bug of ours: %s does not hold at %s:%d\n", condition, file,
               line);
  std::_Exit(70);
}

}  // namespace unclosed
