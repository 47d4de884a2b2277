#include "collect/bpf/convert.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace unclosed {
namespace {

std::optional<Instant> instant(uint64_t ns) {
  if (ns == 0) return std::nullopt;
  return Instant{static_cast<int64_t>(ns)};
}

Endpoint endpoint(uint16_t family, const uint8_t (&address)[16], uint16_t port) {
  Endpoint end;
  if ((family != AF_INET && family != AF_INET6) || port == 0) return end;
  end.family = family;
  end.port = port;
  std::copy(std::begin(address), std::end(address), end.address.begin());
  return end;
}

std::optional<Use> optional_use(const uc_use& use) {
  if (use.at == 0) return std::nullopt;
  return use_of(use);
}

// Bytes of the kernel: a path that is not terminated ends with the array.
std::string path_of(const uc_record& record) {
  const char* path = record.where.path;
  return std::string(path, strnlen(path, sizeof record.where.path));
}

}  // namespace

Use use_of(const uc_use& use) {
  return {use.stack, Instant{static_cast<int64_t>(use.at)}, {use.thread, use.goroutine}};
}

ConnectionFacts facts_of(const uc_record& record, const uc_handed* handed, const ProcessId& opener,
                         const uc_row* row) {
  ConnectionFacts facts;
  facts.id = {record.file, record.generation};
  facts.opener = opener;
  facts.kind = record.kind <= UC_OTHER ? static_cast<Kind>(record.kind) : Kind::kOther;
  facts.role = record.role <= UC_ROLE_LISTENER ? static_cast<Role>(record.role) : Role::kUnknown;
  facts.before_attach = (record.flags & UC_BEFORE_ATTACH) != 0;
  facts.inode = record.inode;
  if (record.family == AF_UNIX) {
    facts.name = path_of(record);
  } else {
    facts.local = endpoint(record.family, record.where.address.local, record.local_port);
    facts.peer = endpoint(record.family, record.where.address.peer, record.peer_port);
  }
  facts.opened = use_of(record.opened);
  facts.duplicated = optional_use(record.duplicated);
  for (size_t i = 0; i < facts.requests.size(); ++i)
    facts.requests[i] = optional_use(record.requests[i]);
  for (size_t i = 0; handed != nullptr && i < facts.borrowed.size(); ++i) {
    facts.borrowed[i] = optional_use(handed->borrowed[i]);
    facts.borrowed_times[i] = handed->borrowed[i].times;
  }
  if (handed != nullptr) facts.returned = optional_use(handed->returned);
  const bool of_end = record.role == UC_ROLE_SERVER && record.receive.at == record.end_seen;
  (of_end ? facts.told_of_end : facts.first_receive) = optional_use(record.receive);
  if (record.tenure.at != 0) {
    facts.tenure = Use{kNoStack,
                       Instant{static_cast<int64_t>(record.tenure.at)},
                       {record.tenure.thread, record.tenure.goroutine}};
  }
  facts.opening_in_tenure = (record.flags & UC_OPENING_IN_TENURE) != 0;
  facts.request_count = record.request_count;
  facts.tenure_count = record.tenures;
  facts.unasked_receives = record.unasked;
  facts.bytes_sent = record.bytes_sent;
  facts.bytes_received = record.bytes_received + record.unseen;
  facts.last_send = instant(record.last_send);
  facts.last_receive = instant(record.last_receive);
  facts.longest_idle_gap = Duration(static_cast<int64_t>(record.longest_gap));
  facts.connect_started = instant(record.connect_started);
  facts.connect_finished = instant(record.connect_finished);
  facts.connect_errno = record.connect_errno;
  const bool has_state = facts.kind == Kind::kTcp || facts.kind == Kind::kUnix;
  if (has_state && record.state <= 12) facts.state = static_cast<TcpState>(record.state);
  facts.state_since = instant(record.state_since);
  facts.peer_closed_at = instant(record.peer_closed);
  facts.end_seen_at = instant(record.end_seen);
  facts.end_errno = record.end_errno;
  facts.partly_closed_at = instant(uint64_t{record.partly_closed} << UC_COARSE_SHIFT);
  facts.keepalive = record.keepalive != 0;
  if (row != nullptr) {
    facts.shared = row->references > 1;
    facts.recv_queue = row->recv_queue;
    facts.send_queue = row->send_queue;
    facts.unanswered_probes = row->unanswered;
  }
  return facts;
}

Failed failure_of(const uc_failure_key& key, const uc_failure& failure, const ProcessId& process) {
  Failed failed;
  failed.last = Instant{static_cast<int64_t>(failure.last)};
  failed.process = process;
  failed.attempt =
      key.attempt <= UC_TRY_OTHER ? static_cast<Attempt>(key.attempt) : Attempt::kOther;
  failed.errno_value = key.errno_value;
  failed.stack = key.stack;
  failed.count = failure.count;
  failed.peer = endpoint(failure.family, failure.peer, failure.peer_port);
  return failed;
}

}  // namespace unclosed
