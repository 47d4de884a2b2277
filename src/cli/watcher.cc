#include "cli/watcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "collect/polling/polling_collector.h"
#include "collect/seccomp/seccomp_collector.h"

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

// What the bpf rung would add, and why it is not the one that looks.
std::string why_not_bpf(const Error& obstacle, std::string_view lacks, std::string_view adds) {
  if (obstacle.kind == ErrorKind::kDenied) {
    return fmt::format(
        "{}: with sudo, or CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, the bpf "
        "rung {} (unclosed doctor)",
        lacks, adds);
  }
  return fmt::format("{}: the bpf rung cannot be used here ({}; unclosed doctor)", lacks,
                     obstacle.context);
}

class SeccompWatcher : public Watcher {
 public:
  SeccompWatcher(SeccompCollector collector, const Error& obstacle)
      : x_collector(std::move(collector)),
        x_why(why_not_bpf(obstacle, "rung seccomp, without privileges",
                          "sees receives, hand-outs of libraries and every goroutine too")) {}

  std::string rung() const override { return "seccomp"; }
  Status add_target(const ProcessId& process) override { return x_collector.add_target(process); }
  Status add_before_exec(const ProcessId& process) override {
    return x_collector.add_before_exec(process);
  }
  const std::vector<ProcessId>& targets() const override { return x_collector.targets(); }
  bool ended() const override { return x_collector.ended(); }
  void poll(RecordSink& sink, Duration wait) override { x_collector.poll(sink, wait); }
  Status scan(RecordSink& sink) override { return x_collector.scan(sink); }
  const RawStack* stack(StackId id) const override { return x_collector.stack(id); }
  BpfCoverage coverage() const override {
    const SupervisorCounts counts = x_collector.counts();
    BpfCoverage coverage;
    coverage.opened = x_collector.opened();
    coverage.closed = x_collector.closed();
    coverage.descriptors = x_collector.descriptors();
    coverage.events_lost = counts.lost;
    coverage.stacks_taken = counts.stacks;
    coverage.stacks_sampled_out = counts.stacks_left_out;
    coverage.stack_time = counts.stack_time;
    return coverage;
  }
  std::vector<std::string> notes() const override {
    auto notes = x_collector.notes();
    notes.insert(notes.begin(), x_why);
    return notes;
  }

 private:
  SeccompCollector x_collector;
  std::string x_why;
};

class ProcWatcher : public Watcher {
 public:
  // `no_filter`: why a command is not watched by the seccomp rung.
  ProcWatcher(const ProcFs& proc, const Error& obstacle, const Error* no_filter)
      : x_collector(proc),
        x_why(why_not_bpf(obstacle, "no lines of code on this rung", "names them")) {
    if (no_filter != nullptr) {
      x_why += fmt::format("; the seccomp rung, which names them too, cannot be used: {}",
                           no_filter->context);
    }
  }

  std::string rung() const override { return "proc"; }
  Status add_target(const ProcessId& process) override { return x_collector.add_target(process); }
  Status add_before_exec(const ProcessId& process) override {
    return x_collector.add_before_exec(process);
  }
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

Result<std::shared_ptr<Watcher>> open_watcher(const BpfSettings& settings, CodeSource& code,
                                              const ProcFs& proc,
                                              const std::function<Result<Confined>()>& confine) {
  auto collector = BpfCollector::open(settings, code, proc);
  if (collector) {
    return std::shared_ptr<Watcher>(std::make_shared<BpfWatcher>(*std::move(collector)));
  }
  const Error& obstacle = collector.error();
  const bool here = obstacle.kind == ErrorKind::kDenied || obstacle.kind == ErrorKind::kUnsupported;
  if (!here) return obstacle;
  const auto by_proc = [&](const Error* no_filter) {
    return std::shared_ptr<Watcher>(std::make_shared<ProcWatcher>(proc, obstacle, no_filter));
  };
  if (!confine) return by_proc(nullptr);
  auto confined = confine();
  if (!confined && confined.error().id == "UC-E019") return confined.error();
  if (!confined) return by_proc(&confined.error());
  auto seccomp = SeccompCollector::start(*std::move(confined), {settings.stack_budget}, code, proc);
  if (!seccomp) {
    return Error{
        obstacle.kind,
        fmt::format("rung bpf: {}; rung seccomp: {}", obstacle.context, seccomp.error().context),
        "UC-E019"};
  }
  return std::shared_ptr<Watcher>(std::make_shared<SeccompWatcher>(*std::move(seccomp), obstacle));
}

}  // namespace unclosed
