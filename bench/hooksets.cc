// Watches one process by one of the hook sets, every stack taken, until it is interrupted:
//   hooksets PID sockets|syscalls
// `sockets`: tracepoints of sockets for what is sent and received; `syscalls`: the exits of system
// calls, as on kernels before 6.3. What opens and closes is told by system calls in both.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "collect/bpf/collector.h"
#include "symbolize/module_store.h"

namespace {

std::atomic<bool> over = false;

class Nobody final : public unclosed::RecordSink {
 public:
  void accept(const unclosed::Record&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::signal(SIGINT, [](int) { over = true; });
  unclosed::BpfSettings settings;
  settings.stack_budget = 0;
  settings.probes = false;
  if (std::strcmp(argv[2], "syscalls") == 0) settings.newer.socket_hooks = unclosed::Offer::kNever;
  unclosed::ModuleStore modules;
  const unclosed::ProcFs proc;
  const auto target = proc.identify(std::atoi(argv[1]));
  auto collector = unclosed::BpfCollector::open(settings, modules, proc);
  if (!target || !collector || !collector->add_target(*target)) return 1;
  Nobody sink;
  if (!collector->scan(sink)) return 1;
  std::fputs("attached\n", stderr);
  while (!over) collector->poll(sink, std::chrono::milliseconds(100));
}
