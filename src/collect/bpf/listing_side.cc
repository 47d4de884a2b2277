#include "collect/bpf/listing_side.h"

#include <bpf/bpf.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/fd.h"
#include "collect/bpf/descriptors_intf.h"
#include "collect/bpf/libbpf_words.h"
#include "collect/bpf/listing_intf.h"
#include "collect/bpf/listing_program.h"

namespace unclosed {
namespace {

constexpr size_t kBuffer = 256 << 10;
constexpr uint64_t kMostReserved = 1 << 20;  // descriptors

Error listing_error(int errno_value) {
  return system_error(errno_value, "listing descriptors in the kernel");
}

// Without them the kernel may say of the loading program that it calls what is not there (EINVAL),
// as if it were too old.
bool may_load() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return true;
  const uint64_t held = sets[0].effective | uint64_t{sets[1].effective} << 32;
  const auto has = [held](int capability) { return (held >> capability & 1) != 0; };
  return has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON));
}

// Ticks of the kernel in a second, which no interface tells: they began at 2^32 - 300 s.
std::optional<double> ticks_per_second(uint64_t ticks, uint64_t clock_ns) {
  const double since_wrap = static_cast<double>(clock_ns) / 1e9 - 300;
  const double counted = static_cast<double>(static_cast<int64_t>(ticks - (1ULL << 32)));
  if (std::abs(since_wrap) < 10) return std::nullopt;  // too near to the wrap to tell
  constexpr std::array kUsual = {100.0, 250.0, 300.0, 1000.0};
  const double measured = counted / since_wrap;
  for (const double usual : kUsual) {
    if (std::abs(measured - usual) < usual * 0.05) return usual;
  }
  return std::nullopt;
}

Endpoint endpoint(uint16_t family, uint16_t port, const void* address) {
  Endpoint end;
  if (port == 0) return end;
  end.family = family;
  end.port = port;
  std::memcpy(end.address.data(), address, family == AF_INET ? 4 : 16);
  return end;
}

void put_ends(const uc_listed& row, Bytes extra, ListedDescriptor& one) {
  if (row.family == AF_INET) {
    one.local = endpoint(AF_INET, row.local_port, &row.local);
    one.peer = endpoint(AF_INET, row.peer_port, &row.peer);
  } else if (row.family == AF_INET6 && extra.size() >= 32) {
    one.local = endpoint(AF_INET6, row.local_port, extra.data());
    one.peer = endpoint(AF_INET6, row.peer_port, extra.data() + 16);
  }
}

void put_name(Bytes extra, ListedDescriptor& one, ListedProcess& process) {
  const auto* text = reinterpret_cast<const char*>(extra.data());
  size_t length = extra.size();
  if (text[0] != '@') length = ::strnlen(text, length);
  while (length > 0 && text[length - 1] == '\0') --length;  // filled up to whole words
  if (length == 0) return;
  process.names.emplace_back(text, length);
  one.name = static_cast<uint32_t>(process.names.size());
}

int32_t milliseconds(uint32_t ticks, double per_second) {
  const double value = ticks * 1000.0 / per_second;
  return static_cast<int32_t>(std::min<double>(value, std::numeric_limits<int32_t>::max()));
}

void put_row(const uc_listed& row, Bytes extra, std::optional<double> ticks,
             ListedProcess& process) {
  ListedDescriptor& one = process.descriptors.emplace_back();
  one.fd = static_cast<int32_t>(row.fd);
  one.thread = row.thread == row.process ? 0 : row.thread;
  one.kind = row.kind <= UC_OTHER ? static_cast<Kind>(row.kind) : Kind::kOther;
  if (row.state <= 12) one.state = static_cast<TcpState>(row.state);
  one.socket = (row.flags & UC_LISTED_SOCKET) != 0;
  one.unlisted = (row.flags & UC_LISTED_UNLISTED) != 0;
  one.has_queues = (row.flags & UC_LISTED_QUEUES) != 0;
  one.recv_queue = row.recv_queue;
  one.send_queue = row.send_queue;
  one.inode = row.inode;
  put_ends(row, extra, one);
  if (row.family == AF_UNIX && !extra.empty()) put_name(extra, one, process);
  if ((row.flags & UC_LISTED_TIMES) != 0 && ticks) {
    one.idle_ms = milliseconds(std::min(row.sent_jiffies, row.received_jiffies), *ticks);
    one.older_ms = milliseconds(std::max(row.sent_jiffies, row.received_jiffies), *ticks);
  }
}

}  // namespace

struct ListingSide::State {
  uc_listing_program* program = nullptr;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (program != nullptr) uc_listing_free(program);
  }

  Result<Fd> reader(pid_t pid) const {
    bpf_iter_link_info which{};
    which.task.pid = static_cast<uint32_t>(pid);
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.iter_info = &which;
    options.iter_info_len = sizeof which;
    const Fd link(bpf_link_create(uc_listing_descriptor(program), 0, BPF_TRACE_ITER, &options));
    if (!link.valid()) return listing_error(errno);
    Fd reader(bpf_iter_create(link.get()));
    if (!reader.valid()) return listing_error(errno);
    return reader;
  }

  std::optional<double> ticks() const {
    __u64 now = 0, clock_ns = 0;
    uc_listing_clocks(program, &now, &clock_ns);
    return clock_ns == 0 ? std::nullopt : ticks_per_second(now, clock_ns);
  }

  // Answers how many bytes of `held` were whole rows.
  size_t take_rows(Bytes held, ListedProcess& process) const {
    const auto rate = ticks();
    size_t at = 0;
    while (const auto row = unclosed::load<uc_listed>(held, at)) {
      const auto extra = slice(held, at + sizeof(uc_listed), row->extra);
      if (!extra) break;
      put_row(*row, *extra, rate, process);
      at += sizeof(uc_listed) + row->extra;
    }
    return at;
  }
};

ListingSide::ListingSide(std::unique_ptr<State> state) : x_state(std::move(state)) {}
ListingSide::~ListingSide() = default;
ListingSide::ListingSide(ListingSide&&) noexcept = default;
ListingSide& ListingSide::operator=(ListingSide&&) noexcept = default;

Result<ListingSide> ListingSide::load(Offer typed_reads) {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    return Error{ErrorKind::kUnsupported, "this kernel has no BTF (/sys/kernel/btf/vmlinux)",
                 "UC-E005"};
  }
  auto state = std::make_unique<State>();
  if (!may_load()) return load_error(EPERM, {});
  int failed = 0;
  if (typed_reads == Offer::kWherePresent) state->program = uc_listing_load(1, &failed);
  // Before Linux 6.2 there are none: the same, without reading ahead.
  if (state->program == nullptr) state->program = uc_listing_load(0, &failed);
  if (state->program == nullptr) return load_error(failed, {});
  // Whether this kernel's iterator can be held to one process.
  if (const auto own = state->reader(::getpid()); !own) {
    Error error = own.error();
    if (error.kind == ErrorKind::kLimit || error.kind == ErrorKind::kSystem) {
      error.kind = ErrorKind::kUnsupported;
    }
    error.id = error.kind == ErrorKind::kDenied ? "UC-E004" : "UC-E006";
    return error;
  }
  return ListingSide(std::move(state));
}

Status ListingSide::list(ListedProcess& process) const {
  const auto reader = x_state->reader(process.id.pid);
  if (!reader) return reader.error();
  process.descriptors.clear();
  process.names.clear();
  if (process.nofile) process.descriptors.reserve(std::min(process.nofile->used, kMostReserved));
  std::vector<std::byte> buffer(kBuffer);
  size_t held = 0;
  for (;;) {
    const ssize_t got = retry_eintr(
        [&] { return ::read(reader->get(), buffer.data() + held, buffer.size() - held); });
    if (got < 0 && errno == EAGAIN) continue;  // a pause amid many descriptors without a row
    if (got < 0) return listing_error(errno);
    if (got == 0) break;
    held += static_cast<size_t>(got);
    const size_t taken = x_state->take_rows(Bytes(buffer).first(held), process);
    std::memmove(buffer.data(), buffer.data() + taken, held - taken);
    held -= taken;
  }
  const auto before = [](const ListedDescriptor& a, const ListedDescriptor& b) {
    return std::pair(a.thread, a.fd) < std::pair(b.thread, b.fd);
  };
  auto& all = process.descriptors;
  if (!std::is_sorted(all.begin(), all.end(), before)) {
    std::stable_sort(all.begin(), all.end(), before);
  }
  return {};
}

}  // namespace unclosed
