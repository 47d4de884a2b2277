#include "collect/bpf/kernel_side.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/check.h"
#include "base/fd.h"
#include "collect/bpf/entry_probe.h"
#include "collect/bpf/kernel_features.h"
#include "collect/bpf/libbpf_words.h"
#include "collect/bpf/tracepoints.h"
#include "descriptors.skel.h"

namespace unclosed {
namespace {

constexpr const char* kTraceFs = "/sys/kernel/tracing";
// Records that have memory from the beginning: 8 MB.
constexpr uint32_t kRecordsAtHand = 16384;

// The coarse clocks go by the kernel's ticks (man 2 clock_getres).
uint32_t jiffy_ns() {
  timespec tick{};
  return ::clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && tick.tv_sec == 0 ? static_cast<uint32_t>(tick.tv_nsec) : 0;
}

// libbpf looks for tracepoint numbers in tracefs; minimal systems do not mount it.
Status need_tracefs() {
  struct stat info {};
  bool hidden = false;
  for (const char* place : {"/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"}) {
    if (::stat(place, &info) == 0) return {};
    hidden = hidden || errno == EACCES;
  }
  int failure = EACCES;
  if (!hidden) {
    if (::mount("tracefs", kTraceFs, "tracefs", 0, nullptr) == 0) return {};
    failure = errno;
  }
  Error error =
      system_error(failure, hidden ? "reading tracefs, which needs root or CAP_DAC_READ_SEARCH"
                                   : fmt::format("mount -t tracefs tracefs {}", kTraceFs));
  error.id = error.kind == ErrorKind::kDenied ? "UC-E004" : "UC-E006";
  return error;
}

}  // namespace

struct KernelSide::State {
  descriptors* skeleton = nullptr;
  std::vector<bpf_link*> links;
  ring_buffer* ring = nullptr;
  const std::function<void(std::span<const std::byte>)>* event = nullptr;
  std::vector<std::string> missing;
  EntryProbes entry_probes = EntryProbes::kMulti;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (bpf_link* link : links) bpf_link__destroy(link);
    ring_buffer__free(ring);
    descriptors__destroy(skeleton);
  }

  static int on_event(void* context, void* data, size_t size) {
    auto* state = static_cast<State*>(context);
    if (state->event != nullptr) (*state->event)({static_cast<const std::byte*>(data), size});
    return 0;
  }

  Status attach(bpf_program* program, const char* tracepoint, bool required) {
    LibbpfWords words;
    bpf_link* link = bpf_program__attach_tracepoint(program, "syscalls", tracepoint);
    if (link != nullptr) {
      links.push_back(link);
      return {};
    }
    const int why = errno;
    if (required || why == EPERM || why == EACCES) {
      Error error = load_error(why, words.last());
      error.context = fmt::format("tracepoint {}: {}", tracepoint, error.context);
      return error;
    }
    missing.emplace_back(tracepoint);
    return {};
  }

  Status attach_trace(bpf_program* program) {
    LibbpfWords words;
    bpf_link* link = bpf_program__attach_trace(program);
    if (link == nullptr) return load_error(errno, words.last());
    links.push_back(link);
    return {};
  }
};

KernelSide::KernelSide(std::unique_ptr<State> state) : x_state(std::move(state)) {}
KernelSide::~KernelSide() = default;
KernelSide::KernelSide(KernelSide&&) noexcept = default;
KernelSide& KernelSide::operator=(KernelSide&&) noexcept = default;

const std::vector<std::string>& KernelSide::missing() const { return x_state->missing; }

Result<KernelSide> KernelSide::load(const KernelSideSettings& settings) {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    return Error{ErrorKind::kUnsupported, "this kernel has no BTF (/sys/kernel/btf/vmlinux)",
                 "UC-E005"};
  }
  if (auto ready = need_tracefs(); !ready) return ready.error();
  auto state = std::make_unique<State>();
  LibbpfWords words;
  state->skeleton = descriptors__open();
  if (state->skeleton == nullptr) return load_error(errno, words.last());
  descriptors* skeleton = state->skeleton;
  const uint32_t at_hand = std::min(kRecordsAtHand, std::max(settings.most_connections / 2, 1U));
  bpf_map__set_max_entries(skeleton->maps.objects, at_hand);
  bpf_map__set_max_entries(skeleton->maps.more_objects,
                           std::max(settings.most_connections - at_hand, 1U));
  bpf_map__set_max_entries(skeleton->maps.handed, settings.most_connections);
  bpf_map__set_max_entries(skeleton->maps.stacks, settings.most_stacks);
  bpf_map__set_max_entries(skeleton->maps.targets, settings.most_targets);
  bpf_map__set_max_entries(skeleton->maps.failures, settings.most_failures);
  bpf_map__set_max_entries(skeleton->maps.rows, settings.most_rows);
  bpf_map__set_max_entries(skeleton->maps.blocks, settings.most_blocks);
  bpf_map__set_max_entries(skeleton->maps.spaces, settings.most_spaces);
  bpf_map__set_max_entries(skeleton->maps.ring, settings.ring_bytes);
  skeleton->rodata->unasked_gap_ns = static_cast<uint64_t>(settings.unasked_gap.count());
  skeleton->rodata->budget_ns = static_cast<uint64_t>(settings.stack_budget.count());
  skeleton->rodata->jiffy_ns = jiffy_ns();
  skeleton->rodata->typed_reads =
      settings.newer.typed_reads == Offer::kWherePresent && has_typed_reads();
  state->entry_probes = settings.entry_probes;
  if (!has_uprobe_multi()) {
    state->entry_probes = EntryProbes::kPerfEvent;
  }
  if (state->entry_probes == EntryProbes::kMulti) {
    bpf_program__set_expected_attach_type(skeleton->progs.on_handout,
                                          static_cast<bpf_attach_type>(kTraceUprobeMulti));
  }
  const bool socket_hooks =
      settings.newer.socket_hooks == Offer::kWherePresent && has_tracepoint("sock_send_length");
  bpf_program__set_autoload(skeleton->progs.on_send, socket_hooks);
  bpf_program__set_autoload(skeleton->progs.on_receive, socket_hooks);
  bpf_program__set_autoload(skeleton->progs.on_io_exit, !socket_hooks);
  const bool uring = has_tracepoint("io_uring_submit_req") && has_tracepoint("io_uring_complete");
  bpf_program__set_autoload(skeleton->progs.on_uring_submit, uring);
  bpf_program__set_autoload(skeleton->progs.on_uring_complete, uring);
  if (!uring) state->missing.emplace_back("io_uring_submit_req");
  if (const int failed = descriptors__load(skeleton); failed != 0)
    return load_error(-failed, words.last());

  state->ring =
      ring_buffer__new(bpf_map__fd(skeleton->maps.ring), &State::on_event, state.get(), nullptr);
  if (state->ring == nullptr) return load_error(errno, words.last());

  for (const Attachment& hook : kOpenExits) {
    if (auto done = state->attach(skeleton->progs.on_open_exit, hook.tracepoint, hook.required);
        !done)
      return done.error();
  }
  const std::array others = {
      std::pair{skeleton->progs.on_connect_exit, "sys_exit_connect"},
      std::pair{skeleton->progs.on_recvmsg_exit, "sys_exit_recvmsg"},
      std::pair{skeleton->progs.on_close_enter, "sys_enter_close"},
      std::pair{skeleton->progs.on_dup_enter, "sys_enter_dup2"},
      std::pair{skeleton->progs.on_dup_enter, "sys_enter_dup3"},
      std::pair{skeleton->progs.on_close_range_exit, "sys_exit_close_range"},
  };
  for (const auto& [program, tracepoint] : others) {
    const bool optional = std::strcmp(tracepoint, "sys_exit_close_range") == 0 ||
                          std::strcmp(tracepoint, "sys_exit_recvmsg") == 0 ||
                          std::strcmp(tracepoint, "sys_enter_dup2") == 0;
    if (auto done = state->attach(program, tracepoint, !optional); !done) return done.error();
  }
  if (!socket_hooks) {
    for (const char* tracepoint : kIoExits) {
      if (auto done = state->attach(skeleton->progs.on_io_exit, tracepoint, false); !done) {
        return done.error();
      }
    }
  }
  for (bpf_program* program :
       {skeleton->progs.on_send, skeleton->progs.on_receive, skeleton->progs.on_error,
        skeleton->progs.on_fork, skeleton->progs.on_exec, skeleton->progs.on_exit,
        skeleton->progs.on_uring_submit, skeleton->progs.on_uring_complete}) {
    if (!bpf_program__autoload(program)) continue;
    if (auto done = state->attach_trace(program); !done) return done.error();
  }
  return KernelSide(std::move(state));
}

namespace {

// A mappable array map in our own memory, for as long as this lives.
class MappedArray {
 public:
  explicit MappedArray(const bpf_map* map) : x_count(bpf_map__max_entries(map)) {
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (memory != MAP_FAILED) x_first = static_cast<uint64_t*>(memory);
  }
  ~MappedArray() {
    if (x_first != nullptr) munmap(x_first, bytes());
  }
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;
  bool valid() const { return x_first != nullptr; }
  std::span<uint64_t> view() const { return {x_first, x_count}; }

 private:
  size_t bytes() const {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return (x_count * sizeof(uint64_t) + page - 1) / page * page;
  }
  size_t x_count;
  uint64_t* x_first = nullptr;
};

}  // namespace

Status KernelSide::edit_tables(
    const std::function<void(std::span<uint64_t>, std::span<uint64_t>)>& fill) {
  const MappedArray rows(x_state->skeleton->maps.rows), blocks(x_state->skeleton->maps.blocks);
  if (!rows.valid() || !blocks.valid()) {
    return system_error(errno, "mapping the unwinding tables");
  }
  fill(rows.view(), blocks.view());
  return {};
}

Status KernelSide::put_target(uint32_t tgid, const uc_target& target) {
  if (bpf_map__update_elem(x_state->skeleton->maps.targets, &tgid, sizeof tgid, &target,
                           sizeof target, BPF_ANY) != 0) {
    const int why = errno;
    Error error = system_error(why, "adding a target");
    if (why == E2BIG) {
      error = {ErrorKind::kLimit, fmt::format("process {} would be one target too many", tgid),
               "UC-E012"};
    }
    return error;
  }
  return {};
}

void KernelSide::remove_target(uint32_t tgid) {
  bpf_map__delete_elem(x_state->skeleton->maps.targets, &tgid, sizeof tgid, 0);
}

Status KernelSide::put_space(uint32_t index, const uc_space& space) {
  if (bpf_map__update_elem(x_state->skeleton->maps.spaces, &index, sizeof index, &space,
                           sizeof space, BPF_ANY) != 0) {
    return system_error(errno, "adding an address space");
  }
  return {};
}

Status KernelSide::put_handout(uint32_t cookie, const uc_handout& handout) {
  if (bpf_map__update_elem(x_state->skeleton->maps.handouts, &cookie, sizeof cookie, &handout,
                           sizeof handout, BPF_ANY) != 0) {
    return system_error(errno, "adding a hand-out function");
  }
  return {};
}

Result<Fd> KernelSide::attach_handout(const EntryProbeAt& where) const {
  return attach_entry_probe(bpf_program__fd(x_state->skeleton->progs.on_handout), where,
                            x_state->entry_probes);
}

uint64_t KernelSide::handouts_noted(uint32_t cookie) const {
  uc_handout handout{};
  const int failed = bpf_map__lookup_elem(x_state->skeleton->maps.handouts, &cookie, sizeof cookie,
                                          &handout, sizeof handout, 0);
  return failed == 0 ? handout.noted : 0;
}

Result<Fd> KernelSide::watch_faults() const {
  const int link =
      bpf_raw_tracepoint_open(nullptr, bpf_program__fd(x_state->skeleton->progs.on_signal));
  if (link < 0) return system_error(-link, "watching for faults");
  return Fd(link);
}

Status KernelSide::scan(
    uint32_t tgid, bool baseline,
    const std::function<void(const uc_row&, const uc_record&, const uc_handed*)>& row) {
  x_state->skeleton->bss->baseline = baseline;
  x_state->skeleton->bss->unplaced = 0;
  bpf_iter_link_info which{};
  which.task.pid = tgid;
  bpf_iter_attach_opts options{};
  options.sz = sizeof options;
  if (tgid != 0) {
    options.link_info = &which;
    options.link_info_len = sizeof which;
  }
  LibbpfWords words;
  bpf_link* link = bpf_program__attach_iter(x_state->skeleton->progs.scan, &options);
  if (link == nullptr) return system_error(errno, "scanning descriptors");
  const Fd reader(bpf_iter_create(bpf_link__fd(link)));
  bpf_link__destroy(link);
  if (!reader.valid()) return system_error(errno, "scanning descriptors");

  constexpr size_t kOne = sizeof(uc_row) + sizeof(uc_record);
  std::vector<std::byte> buffer(256 * 1024);
  size_t held = 0;
  for (;;) {
    const ssize_t got = retry_eintr(
        [&] { return ::read(reader.get(), buffer.data() + held, buffer.size() - held); });
    if (got < 0 && errno == EAGAIN)
      continue;  // the kernel paused in the midst of many descriptors without a row
    if (got < 0) return system_error(errno, "scanning descriptors");
    if (got == 0) break;
    held += static_cast<size_t>(got);
    size_t at = 0;
    while (held - at >= kOne) {
      uc_row head;
      uc_record record;
      uc_handed handed;
      std::memcpy(&head, buffer.data() + at, sizeof head);
      std::memcpy(&record, buffer.data() + at + sizeof head, sizeof record);
      const size_t size = kOne + (head.handed != 0 ? sizeof handed : 0);
      if (held - at < size) break;
      if (head.handed != 0) std::memcpy(&handed, buffer.data() + at + kOne, sizeof handed);
      row(head, record, head.handed != 0 ? &handed : nullptr);
      at += size;
    }
    std::memmove(buffer.data(), buffer.data() + at, held - at);
    held -= at;
  }
  return {};
}

uint64_t KernelSide::unplaced() const { return x_state->skeleton->bss->unplaced; }

void KernelSide::drain(const std::function<void(std::span<const std::byte>)>& event) {
  x_state->event = &event;
  ring_buffer__consume(x_state->ring);
  x_state->event = nullptr;
}

void KernelSide::wait(Duration most) {
  pollfd ready{ring_buffer__epoll_fd(x_state->ring), POLLIN, 0};
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(most).count();
  ::poll(&ready, 1, static_cast<int>(std::max<int64_t>(millis, 0)));
}

void KernelSide::watch_site(uint32_t site, Watch watch) {
  const bpf_map* sites = x_state->skeleton->maps.sites;
  uc_site value{};
  if (bpf_map__lookup_elem(sites, &site, sizeof site, &value, sizeof value, 0) != 0) return;
  value.watched = watch == Watch::kYes ? 1 : 0;
  bpf_map__update_elem(sites, &site, sizeof site, &value, sizeof value, BPF_ANY);
}

std::optional<uc_stack> KernelSide::stack(uint64_t id) const {
  uc_stack stack;
  if (bpf_map__lookup_elem(x_state->skeleton->maps.stacks, &id, sizeof id, &stack, sizeof stack,
                           0) != 0)
    return std::nullopt;
  return stack;
}

namespace {

// Calls `visit` for each key and value of a hash map; entries that come and go meanwhile may be
// seen or not.
template <class Key, class Value, class Visit>
void each_entry(const bpf_map* map, Visit visit) {
  Key key{};
  Key* previous = nullptr;
  Key next{};
  while (bpf_map__get_next_key(map, previous, &next, sizeof next) == 0) {
    Value value;
    if (bpf_map__lookup_elem(map, &next, sizeof next, &value, sizeof value, 0) == 0)
      visit(next, value);
    key = next;
    previous = &key;
  }
}

}  // namespace

size_t KernelSide::drop_copied(const std::function<bool(uint64_t)>& known) {
  std::vector<uint64_t> idle;
  each_entry<uint64_t, uc_stack>(x_state->skeleton->maps.stacks, [&](uint64_t id, const uc_stack&) {
    if (known(id)) idle.push_back(id);
  });
  for (uint64_t id : idle) bpf_map__delete_elem(x_state->skeleton->maps.stacks, &id, sizeof id, 0);
  return idle.size();
}

std::optional<uc_record> KernelSide::record(uint64_t file) const {
  uc_record record;
  for (const bpf_map* map : {x_state->skeleton->maps.objects, x_state->skeleton->maps.more_objects}) {
    if (bpf_map__lookup_elem(map, &file, sizeof file, &record, sizeof record, 0) == 0)
      return record;
  }
  return std::nullopt;
}

std::optional<uc_handed> KernelSide::handed(const uc_record& record) const {
  uc_handed handed;
  const bool told = (record.flags & UC_HANDED) != 0 &&
                    bpf_map__lookup_elem(x_state->skeleton->maps.handed, &record.file,
                                         sizeof record.file, &handed, sizeof handed, 0) == 0 &&
                    handed.generation == record.generation;
  return told ? std::optional(handed) : std::nullopt;
}

std::optional<uc_copy> KernelSide::copy(uint32_t tgid, uint32_t fd) const {
  const uint64_t key = uint64_t{tgid} << 32 | fd;
  uc_copy copy;
  const bool made = bpf_map__lookup_elem(x_state->skeleton->maps.copies, &key, sizeof key, &copy,
                                         sizeof copy, 0) == 0;
  return made ? std::optional(copy) : std::nullopt;
}

void KernelSide::each_record(
    const std::function<void(const uc_record&, const uc_handed*)>& record) const {
  const auto with_handed = [&](uint64_t, const uc_record& value) {
    const auto told = handed(value);
    record(value, told ? &*told : nullptr);
  };
  each_entry<uint64_t, uc_record>(x_state->skeleton->maps.objects, with_handed);
  each_entry<uint64_t, uc_record>(x_state->skeleton->maps.more_objects, with_handed);
}

void KernelSide::reap(uint64_t file, uint64_t generation, Instant scan_began) {
  struct {
    uint64_t file, generation, began;
  } request{file, generation, static_cast<uint64_t>(scan_began.ns)};
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.ctx_in = &request;
  options.ctx_size_in = sizeof request;
  bpf_prog_test_run_opts(bpf_program__fd(x_state->skeleton->progs.reap), &options);
}

void KernelSide::each_failure(
    const std::function<void(const uc_failure_key&, const uc_failure&)>& failure) const {
  each_entry<uc_failure_key, uc_failure>(x_state->skeleton->maps.failures, failure);
}

uint64_t KernelSide::counter(uc_counter which) const {
  const auto key = static_cast<uint32_t>(which);
  std::vector<uint64_t> values(static_cast<size_t>(libbpf_num_possible_cpus()));
  if (bpf_map__lookup_elem(x_state->skeleton->maps.counters, &key, sizeof key, values.data(),
                           values.size() * sizeof(uint64_t), 0) != 0) {
    return 0;
  }
  uint64_t sum = 0;
  for (const uint64_t value : values) sum += value;
  return sum;
}

void KernelSide::zero_counters() {
  const std::vector<uint64_t> zeros(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t key = 0; key < UC_COUNTERS; ++key) {
    bpf_map__update_elem(x_state->skeleton->maps.counters, &key, sizeof key, zeros.data(),
                         zeros.size() * sizeof(uint64_t), BPF_ANY);
  }
}

uint64_t KernelSide::map_bytes() const {
  uint64_t sum = 0;
  const bpf_map* map = nullptr;
  while ((map = bpf_object__next_map(x_state->skeleton->obj, map)) != nullptr) {
    const auto info = read_file(fmt::format("/proc/self/fdinfo/{}", bpf_map__fd(map)));
    if (!info) continue;
    const size_t at = info->find("memlock:");
    if (at != std::string::npos) sum += std::strtoull(info->c_str() + at + 8, nullptr, 10);
  }
  return sum;
}

}  // namespace unclosed
