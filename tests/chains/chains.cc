// Opens descriptors through many different chains of calls, in the same order at every run, and keeps
// all of them. Built -O2 without frame pointers; the checker compares with gdb's view of a like run.
#include <alloca.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// As hand-written code does that realigns its stack: only a DWARF expression tells where its caller's frame is.
asm(R"(
  .text
  .type by_expression, @function
by_expression:
  .cfi_startproc
  movq %rsp, %rax
  .cfi_def_cfa_register %rax
  subq $64, %rsp
  andq $-64, %rsp
  movq %rax, 40(%rsp)
  .cfi_escape 0x0f, 0x05, 0x77, 0x28, 0x06, 0x23, 0x08
  movq %rdi, %rax
  movq %rsi, %rdi
  call *%rax
  movq 40(%rsp), %rsp
  .cfi_def_cfa %rsp, 8
  ret
  .cfi_endproc
  .size by_expression, .-by_expression
)");
extern "C" void by_expression(void (*function)(const void*), const void* argument);

namespace chains {

volatile int sink;
std::vector<std::unique_ptr<std::ifstream>> streams;

[[gnu::noinline]] void open_plain() { sink = ::open("/dev/null", O_RDONLY); sink = sink + 1; }
[[gnu::noinline]] void open_stdio() { FILE* f = std::fopen("/dev/null", "r"); sink = f != nullptr; }
[[gnu::noinline]] void open_stream() {
  streams.push_back(std::make_unique<std::ifstream>("/dev/null"));
  sink = 1;
}
[[gnu::noinline]] void open_socket() { sink = ::socket(AF_INET, SOCK_STREAM, 0); sink = sink + 1; }
[[gnu::noinline]] void open_epoll() { sink = ::epoll_create1(0); sink = sink + 1; }
[[gnu::noinline]] void open_event() { sink = ::eventfd(0, 0); sink = sink + 1; }
[[gnu::noinline]] void open_temporary() { FILE* f = std::tmpfile(); sink = f != nullptr; }

inline void small_inner(const std::function<void()>& then) { then(); sink = 2; }
inline void small_outer(const std::function<void()>& then) { small_inner(then); sink = 3; }

struct Visitor {
  virtual ~Visitor() = default;
  virtual void visit(const std::function<void()>& then) = 0;
};
struct Direct final : Visitor {
  void visit(const std::function<void()>& then) override { then(); sink = 4; }
};
struct Nested final : Visitor {
  explicit Nested(std::unique_ptr<Visitor> other) : inner(std::move(other)) {}
  void visit(const std::function<void()>& then) override { inner->visit(then); sink = 5; }
  std::unique_ptr<Visitor> inner;
};

template <class T>
[[gnu::noinline]] void templated(T value, const std::function<void()>& then) {
  then();
  sink = static_cast<int>(value);
}

[[gnu::noinline]] void deep(int levels, const std::function<void()>& then) {
  if (levels == 0) {
    then();
  } else {
    deep(levels - 1, then);
  }
  sink = levels;
}

[[gnu::noinline]] void with_alloca(size_t bytes, const std::function<void()>& then) {
  auto* memory = static_cast<char*>(alloca(bytes));
  std::memset(memory, 1, bytes);
  then();
  sink = memory[bytes / 2];
}

[[gnu::noinline]] void with_large_frame(const std::function<void()>& then) {
  volatile char memory[20000];
  memory[0] = 1;
  then();
  sink = memory[0];
}

struct alignas(64) Wide {
  volatile char bytes[64];
};
[[gnu::noinline]] void with_realigned_stack(const std::function<void()>& then) {
  Wide wide;
  wide.bytes[0] = 1;
  then();
  sink = wide.bytes[0];
}

[[gnu::noinline]] void while_throwing(const std::function<void()>& then) {
  try {
    throw std::runtime_error("on purpose");
  } catch (const std::exception&) {
    then();
    sink = 6;
  }
}

struct AtExit {
  const std::function<void()>& then;
  ~AtExit() { then(); sink = 7; }
};
[[gnu::noinline]] void while_unwinding(const std::function<void()>& then) {
  try {
    AtExit guard{then};
    throw std::runtime_error("on purpose");
  } catch (const std::exception&) {
    sink = 8;
  }
}

const std::function<void()>* called_back;
int compare(const void* a, const void* b) {
  if (called_back != nullptr) std::exchange(called_back, nullptr)->operator()();
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}
[[gnu::noinline]] void through_qsort(const std::function<void()>& then) {
  int numbers[] = {3, 1, 2};
  called_back = &then;
  std::qsort(numbers, 3, sizeof(int), compare);
  sink = numbers[0];
}

[[gnu::noinline]] void through_sort(const std::function<void()>& then) {
  std::vector<int> numbers(40);
  bool done = false;
  std::sort(numbers.begin(), numbers.end(), [&](int a, int b) {
    if (!std::exchange(done, true)) then();
    return a < b;
  });
  sink = numbers[0];
}

void on_signal(int) {
  if (called_back != nullptr) std::exchange(called_back, nullptr)->operator()();
  sink = 9;
}
[[gnu::noinline]] void in_signal_handler(const std::function<void()>& then) {
  called_back = &then;
  ::signal(SIGUSR1, on_signal);
  ::raise(SIGUSR1);
  sink = 10;
}

[[gnu::noinline]] void called_by_expression(const void* then) {
  (*static_cast<const std::function<void()>*>(then))();
  sink = 19;
}
[[gnu::noinline]] void through_expression(const std::function<void()>& then) {
  by_expression(called_by_expression, &then);
  sink = 20;
}

}  // namespace chains

int main() {
  using namespace chains;
  const std::vector<std::function<void()>> basics = {open_plain, open_stdio, open_stream, open_socket,
                                                     open_epoll, open_event, open_temporary};
  Nested nested(std::make_unique<Nested>(std::make_unique<Direct>()));
  const std::vector<std::function<void(const std::function<void()>&)>> around = {
      [](const auto& then) { then(); sink = 11; },
      [](const auto& then) { small_outer(then); sink = 12; },
      [&](const auto& then) { nested.visit(then); sink = 13; },
      [](const auto& then) { templated(1, then); sink = 14; },
      [](const auto& then) { templated(2.0, then); sink = 15; },
      [](const auto& then) { deep(3, then); sink = 16; },
      [](const auto& then) { deep(25, then); sink = 17; },
      [](const auto& then) { with_alloca(300, then); sink = 18; },
      with_large_frame, with_realigned_stack, while_throwing, while_unwinding, through_qsort, through_sort,
      in_signal_handler, through_expression};
  // More than once: stacks that are met again are found in another way than new ones.
  for (int round = 0; round < 3; ++round) {
    for (const auto& wrap : around) {
      for (const auto& basic : basics) wrap(basic);
    }
  }
  std::puts("ready");
  std::fflush(stdout);
  ::pause();
}
