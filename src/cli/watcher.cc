#include "cli/watcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "collect/polling/polling_collector.h"

namespace unclosed {
namespace {

class BpfWatcher : public Watcher {
 public:
  explicit BpfWatcher(BpfCollector collector) : x_collector(std::move(collector)) {}

  std::string rung() const override { return "bpf"; }
  Status add_target(const ProcessId& process) override { return x_collector.add_target(process); }
  Status add_before_exec(const ProcessId& process) override {
    return x_collector.add_before_exec(process);
  }
  const std::vector<ProcessId>& targets() const override { return x_collector.targets(); }
  bool ended() const override { return x_collector.ended(); }
  void poll(RecordSink& sink, Duration wait) override { x_collector.poll(sink, wait); }
  Status scan(RecordSink& sink) override { return x_collector.scan(sink); }
  const RawStack* stack(StackId id) const override { return x_collector.stack(id); }
  BpfCoverage coverage() const override { return x_collector.coverage(); }
  std::vector<std::string> notes() const override { return {}; }

 private:
  BpfCollector x_collector;
};

class ProcWatcher : public Watcher {
 public:
  ProcWatcher(const ProcFs& proc, const Error& obstacle) : x_collector(proc) {
    x_why = obstacle.kind == ErrorKind::kDenied
                ? "no lines of code on this rung: with sudo, or CAP_BPF, CAP_PERFMON, "
                  "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, the bpf rung names them "
                  "(unclosed doctor)"
                : fmt::format(
                      "no lines of code on this rung: the bpf rung cannot be used here "
                      "({}; unclosed doctor)",
                      obstacle.context);
  }

  std::string rung() const override { return "proc"; }
  Status add_target(const ProcessId& process) override { return x_collector.add_target(process); }
  Status add_before_exec(const ProcessId& process) override { return add_target(process); }
  const std::vector<ProcessId>& targets() const override { return x_collector.targets(); }
  bool ended() const override { return x_collector.ended(); }
  void poll(RecordSink&, Duration wait) override { std::this_thread::sleep_for(wait); }
  Status scan(RecordSink& sink) override { return x_collector.scan(sink); }
  const RawStack* stack(StackId) const override { return nullptr; }
  BpfCoverage coverage() const override {
    BpfCoverage coverage;
    coverage.opened = x_collector.opened();
    coverage.closed = x_collector.closed();
    coverage.descriptors = x_collector.descriptors();
    return coverage;
  }
  std::vector<std::string> notes() const override {
    auto notes = x_collector.notes();
    notes.insert(notes.begin(), x_why);
    return notes;
  }

 private:
  PollingCollector x_collector;
  std::string x_why;
};

}  // namespace

Result<std::shared_ptr<Watcher>> open_watcher(RungChoice choice, const BpfSettings& settings,
                                              CodeSource& code, const ProcFs& proc) {
  auto collector = BpfCollector::open(settings, code, proc);
  if (collector) {
    return std::shared_ptr<Watcher>(std::make_shared<BpfWatcher>(*std::move(collector)));
  }
  const Error& obstacle = collector.error();
  const bool here = obstacle.kind == ErrorKind::kDenied || obstacle.kind == ErrorKind::kUnsupported;
  if (choice == RungChoice::kBpfAlone || !here) return obstacle;
  return std::shared_ptr<Watcher>(std::make_shared<ProcWatcher>(proc, obstacle));
}

}  // namespace unclosed
