#include "collect/bpf/entry_probe.h"

#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace unclosed {
namespace {

Error refused(int errno_value, const EntryProbeAt& where) {
  Error error = system_error(errno_value, "probing " + where.path);
  if (errno_value == EINVAL) error.kind = ErrorKind::kUnsupported;
  return error;
}

// By the bare system call: it needs CAP_BPF and CAP_PERFMON only, where a probe by
// perf_event_open(2) needs CAP_SYS_ADMIN (kernel commit ba677dbe77af).
Result<Fd> attach_multi(int program, const EntryProbeAt& where) {
  const uint64_t cookie = where.cookie;
  // The part of union bpf_attr that BPF_LINK_CREATE reads for this type.
  struct {
    uint32_t program, target = 0, type = kTraceUprobeMulti, flags = 0;
    uint64_t path, offsets, reference_counters = 0, cookies;
    uint32_t count = 1, probe_flags = 0, pid, reserved = 0;
  } request{};
  request.program = static_cast<uint32_t>(program);
  request.path = reinterpret_cast<uint64_t>(where.path.c_str());
  request.offsets = reinterpret_cast<uint64_t>(&where.offset);
  request.cookies = reinterpret_cast<uint64_t>(&cookie);
  request.pid = where.tgid;
  const long link = ::syscall(SYS_bpf, BPF_LINK_CREATE, &request, sizeof request);
  if (link < 0) return refused(errno, where);
  return Fd(static_cast<int>(link));
}

Result<uint32_t> uprobe_type() {
  const auto text = read_file("/sys/bus/event_source/devices/uprobe/type");
  uint32_t type = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), type).ec != std::errc())
    return Error{ErrorKind::kUnsupported, "this kernel was built without entry probes"};
  return type;
}

Result<Fd> attach_perf_event(int program, const EntryProbeAt& where) {
  const auto type = uprobe_type();
  if (!type) return type.error();
  perf_event_attr event{};
  event.size = sizeof event;
  event.type = *type;
  event.config1 = reinterpret_cast<uint64_t>(where.path.c_str());
  event.config2 = where.offset;
  // The thread only names the address space: the program runs for all of its threads.
  const Fd probe(static_cast<int>(
      ::syscall(SYS_perf_event_open, &event, where.tgid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!probe.valid()) return refused(errno, where);
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.perf_event.bpf_cookie = where.cookie;
  // The link holds the event.
  const int link = bpf_link_create(program, probe.get(), BPF_PERF_EVENT, &options);
  if (link < 0) return refused(-link, where);
  return Fd(link);
}

}  // namespace

Result<Fd> attach_entry_probe(int program, const EntryProbeAt& where, EntryProbes how) {
  return how == EntryProbes::kMulti ? attach_multi(program, where)
                                    : attach_perf_event(program, where);
}

}  // namespace unclosed
