// Opens and closes descriptors as fast as two processes can, for some seconds; prints how many.
// usage: storm SECONDS
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const double seconds = std::atof(argv[1]);
  auto* counts = static_cast<uint64_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (counts == MAP_FAILED) return 1;
  for (int worker = 0; worker < 2; ++worker) {
    if (::fork() != 0) continue;
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    uint64_t pairs = 0;
    while (std::chrono::steady_clock::now() < until) {
      for (int i = 0; i < 100; ++i, ++pairs) ::close(::eventfd(0, 0));
    }
    counts[worker] = pairs;
    _exit(0);
  }
  while (::wait(nullptr) > 0) {
  }
  std::printf("pairs %llu\n", static_cast<unsigned long long>(counts[0] + counts[1]));
}
