// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The kernel side: one record for each open file of the targets, kept up by the cheapest hooks that see the fact, with
// the stacks of its opening, of its last requests and of its closing.
//
// Identity is the kernel's struct file, so dup, fork, exec and descriptor passing need no bookkeeping here: they only
// change who refers to it. The tables of descriptors themselves are read by the iterator below, which is the truth; a
// record whose file is in no table any more is taken out by the user side (reap).
//
// It cannot see: opens of 32-bit programs and of accepts by io_uring that answer more than once (the iterator finds them,
// without a stack), and closes by io_uring, exec and exit (likewise).
#include "collect/bpf/copies.bpf.h"
#include "collect/bpf/handouts.bpf.h"
#include "collect/bpf/processes.bpf.h"
#include "collect/bpf/states.bpf.h"
#include "collect/bpf/uring.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// ---- descriptors come -----------------------------------------------------------------------------------------------

// Opens, on x86-64. One program serves all of them; the number tells which it was.
enum {
  NR_OPEN = 2, NR_PIPE = 22, NR_DUP = 32, NR_DUP2 = 33, NR_SOCKET = 41, NR_CONNECT = 42, NR_ACCEPT = 43,
  NR_SOCKETPAIR = 53, NR_FCNTL = 72, NR_CREAT = 85, NR_OPENAT = 257, NR_ACCEPT4 = 288, NR_DUP3 = 292, NR_PIPE2 = 293,
  NR_OPENAT2 = 437, NR_CLONE = 56, NR_SIGNALFD = 282, NR_SIGNALFD4 = 289, NR_CLONE3 = 435, NR_PIDFD_GETFD = 438,
};
enum { DUPFD = 0, DUPFD_CLOEXEC = 1030 };

static __always_inline __u32 attempt_of(long nr) {
  if (nr == NR_SOCKET || nr == NR_SOCKETPAIR) return UC_TRY_SOCKET;
  if (nr == NR_ACCEPT || nr == NR_ACCEPT4) return UC_TRY_ACCEPT;
  if (nr == NR_OPEN || nr == NR_OPENAT || nr == NR_OPENAT2 || nr == NR_CREAT) return UC_TRY_OPEN;
  if (nr == NR_CONNECT) return UC_TRY_CONNECT;
  return UC_TRY_OTHER;
}

static __always_inline void note_failure(__u32 attempt, int errno_value, __u64 stack, struct uc_record *record) {
  struct uc_failure_key key = {};
  key.stack = stack;
  key.tgid = bpf_get_current_pid_tgid() >> 32;
  if (record) key.tgid = record->tgid;
  key.errno_value = errno_value;
  key.attempt = attempt;
  struct uc_failure *known = bpf_map_lookup_elem(&failures, &key);
  __u64 now = bpf_ktime_get_ns();
  if (known) {
    __sync_fetch_and_add(&known->count, 1);
    known->last = now;
    return;
  }
  struct uc_failure fresh = {.count = 1, .last = now};
  if (record) {
    fresh.family = record->family;
    fresh.peer_port = record->peer_port;
    __builtin_memcpy(fresh.peer, record->where.address.peer, 16);
  }
  if (bpf_map_update_elem(&failures, &key, &fresh, BPF_NOEXIST)) count(UC_LOST_FAILURES, 1);
}

enum { EMFILE = 24, ENFILE = 23, ENOMEM = 12, ENOBUFS = 105, EADDRNOTAVAIL = 99, EINTR = 4, EAGAIN = 11 };
enum { EINPROGRESS = 115, EALREADY = 114, EISCONN = 106, EPIPE = 32, ECONNRESET = 104, ETIMEDOUT = 110 };

// Failures of a limit, and of nothing else: a missing file is no news.
static __always_inline bool is_limit(long error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL;
}

// A file that is new in this process's table under `fd`.
static __always_inline void opened(__u32 fd, struct uc_use *how, __u8 role) {
  __u64 file = file_of(fd);
  if (!file) {
    count(UC_LOST_UNREADABLE, 1);
    return;
  }
  struct walk *walk = walk_of_cpu();
  if (!walk) return;
  struct uc_record *record = &walk->record;
  describe(record, file, bpf_get_current_pid_tgid() >> 32, fd, how->at);
  record->opened = *how;
  if (role) record->role = role;
  if (role == UC_ROLE_SERVER) record->state_since = how->at;
  count(UC_OPENED, 1);
  if (!keep_record(file, record)) {
    struct uc_record *old = record_of_file(file);
    if (old && found_first(old, how, role)) return;
    if (old) finish(old, how->at, 0);   // its close was not seen, and the kernel reused the object
    if (!old || !keep_record(file, record)) {
      count(UC_LOST_TABLE, 1);
      return;
    }
  }
  count(UC_CREATED, 1);
}

static __always_inline void duplicated(__u32 fd, struct uc_use *how, bool from_elsewhere) {
  __u64 file = file_of(fd);
  if (!file) return;
  struct uc_record *record = record_of_file(file);
  if (!record || !same_file(record)) {
    if (from_elsewhere) opened(fd, how, 0);   // of a process that is no target
    return;
  }
  record->duplicated = *how;
  keep_copy(fd, record, how, UC_COPY_DUPLICATED);
}

struct syscall_exit {
  __u64 common;
  int nr;
  int reserved;
  long ret;
};
struct syscall_enter {
  __u64 common;
  int nr;
  int reserved;
  unsigned long args[6];
};

// The arguments of a system call at its exit, from the saved registers.
static __always_inline struct pt_regs *registers(void) {
  return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

static __always_inline bool opens_a_pair(long nr) { return nr == NR_PIPE || nr == NR_PIPE2 || nr == NR_SOCKETPAIR; }
static __always_inline bool duplicates(long nr) {
  return nr == NR_DUP || nr == NR_DUP2 || nr == NR_DUP3 || nr == NR_FCNTL || nr == NR_PIDFD_GETFD;
}

// The number that a new process came with (CLONE_PIDFD), or -1.
enum { WITH_PIDFD = 0x1000 };
static __always_inline __s32 pidfd_of_clone(struct pt_regs *regs, bool third) {
  struct {
    __u64 flags, pidfd;
  } how = {regs->di, regs->dx};
  if (third && bpf_probe_read_user(&how, sizeof(how), (void *)regs->di)) return -1;
  __s32 fd = -1;
  if (!(how.flags & WITH_PIDFD) || bpf_probe_read_user(&fd, sizeof(fd), (void *)how.pidfd)) return -1;
  return fd;
}

SEC("tracepoint")
int on_open_exit(struct syscall_exit *ctx) {
  long nr = ctx->nr, ret = ctx->ret;
  if (ret < 0 && !is_limit(-ret)) return 0;
  struct uc_target *target = target_of_current();
  if (!target) return 0;
  struct uc_use how = {};
  if (ret < 0) {
    if (nr == NR_CLONE || nr == NR_CLONE3) return 0;
    note_use(&how, target, bpf_ktime_get_ns());
    note_failure(attempt_of(nr), -ret, how.stack, 0);
    return 0;
  }
  struct pt_regs *regs = registers();
  if (nr == NR_FCNTL && regs->si != DUPFD && regs->si != DUPFD_CLOEXEC) return 0;
  if (nr == NR_DUP2 && regs->di == regs->si) return 0;
  if ((nr == NR_SIGNALFD || nr == NR_SIGNALFD4) && (__s32)regs->di != -1) return 0;   // changes an open one
  if (nr == NR_CLONE || nr == NR_CLONE3) {
    if (!ret) return 0;   // in the child
    ret = pidfd_of_clone(regs, nr == NR_CLONE3);
    if (ret < 0) return 0;
  }
  note_use(&how, target, bpf_ktime_get_ns());
  if (duplicates(nr)) {
    duplicated(ret, &how, nr == NR_PIDFD_GETFD);
  } else if (opens_a_pair(nr)) {
    int pair[2];
    void *where = (void *)(nr == NR_SOCKETPAIR ? regs->r10 : regs->di);
    if (bpf_probe_read_user(pair, sizeof(pair), where)) {
      count(UC_LOST_UNREADABLE, 1);
      return 0;
    }
    opened(pair[0], &how, 0);
    opened(pair[1], &how, 0);
  } else {
    opened(ret, &how, nr == NR_ACCEPT || nr == NR_ACCEPT4 ? UC_ROLE_SERVER : 0);
  }
  return 0;
}

SEC("tracepoint")
int on_recvmsg_exit(struct syscall_exit *ctx) {
  struct uc_target *target = target_of_current();
  if (target && ctx->ret >= 0) receive_copies(registers()->si, target);
  return 0;
}

SEC("tracepoint")
int on_connect_exit(struct syscall_exit *ctx) {
  struct uc_target *target = target_of_current();
  if (!target) return 0;
  long ret = ctx->ret;
  __u64 file = file_of(registers()->di);
  if (!file) return 0;
  struct uc_record *record = record_of_file(file);
  if (!record) return 0;
  struct sock *sk = sock_of(record);
  if (!sk) return 0;
  record->role = UC_ROLE_CLIENT;
  __u64 now = bpf_ktime_get_ns();
  if (!record->connect_started) record->connect_started = now;
  if (ret == 0 || ret == -EINPROGRESS) {
    note_ends(record, sk);
    if (ret == 0 && !record->connect_finished) record->connect_finished = now;
    if (record->kind == UC_TCP || record->kind == UC_UNIX) note_state(record, sk, now);
    return 0;
  }
  if (ret == -EALREADY || ret == -EISCONN || ret == -EINTR || ret == -EAGAIN || record->connect_errno) return 0;
  record->connect_errno = -ret;
  struct uc_use how = {};
  note_use(&how, target, now);
  note_failure(UC_TRY_CONNECT, -ret, how.stack, record);
  return 0;
}

// ---- descriptors go -------------------------------------------------------------------------------------------------

static __always_inline void closing(struct uc_target *target, __u32 fd) {
  __u64 file = file_of(fd);
  if (!file) return;
  struct uc_record *record = record_of_file(file);
  if (!record) return;
  if (references_of(file) > 1) {
    // Somebody else refers to it too, or another thread is inside a call on it: the next scan tells.
    record->partly_closed = (bpf_ktime_get_ns() >> UC_COARSE_SHIFT) + 1;
    return;
  }
  struct uc_use closed = {};
  struct uc_caller caller = {};
  note_actor(&closed, target, bpf_ktime_get_ns(), &caller);
  struct sock *sk = record->kind == UC_TCP ? sock_of(record) : 0;
  if (sk) note_state(record, sk, closed.at);
  __u64 opener = record->opened.stack;
  struct uc_stack *site = opener ? bpf_map_lookup_elem(&stacks, &opener) : 0;
  __u32 closes = site ? site->closes++ : closes_elsewhere++;
  if (closes < 32 || closes % closer_every == 0) note_stack(&closed, target, closed.at, 0, &caller);
  finish(record, closed.at, &closed);
}

// At entry, while the number still belongs to the file: at exit another thread may own it already.
SEC("tracepoint")
int on_close_enter(struct syscall_enter *ctx) {
  struct uc_target *target = target_of_current();
  if (target) closing(target, ctx->args[0]);
  return 0;
}

// dup2 and dup3 close what the new number referred to.
SEC("tracepoint")
int on_dup_enter(struct syscall_enter *ctx) {
  struct uc_target *target = target_of_current();
  if (target && ctx->args[0] != ctx->args[1] && file_of(ctx->args[0])) closing(target, ctx->args[1]);
  return 0;
}

SEC("tracepoint")
int on_close_range_exit(struct syscall_exit *ctx) {
  if (target_of_current() && ctx->ret == 0) tell_process(UC_EVENT_RESCAN, bpf_get_current_pid_tgid() >> 32, 0);
  return 0;
}

// ---- use ------------------------------------------------------------------------------------------------------------

static __always_inline bool same_actor(__u32 thread, __u64 goroutine, struct uc_use *use) {
  return goroutine || use->goroutine ? goroutine == use->goroutine : thread == use->thread;
}

// A request begins: notes its stack among the last ones with different stacks, and whose tenure it belongs to.
static __always_inline void request(struct uc_record *record, struct uc_target *target, __u64 now) {
  __u64 last = record->last_send > record->last_receive ? record->last_send : record->last_receive;
  if (record->request_count && now - last > record->longest_gap) record->longest_gap = now - last;
  struct uc_use use = {};
  struct uc_caller caller = {};
  note_actor(&use, target, now, &caller);
  if (!record->request_count || !same_actor(record->tenure.thread, record->tenure.goroutine, &use)) {
    bool opener = !record->request_count && !(record->flags & (UC_BEFORE_ATTACH | UC_UNTRACED)) &&
                  same_actor(record->opened.thread, record->opened.goroutine, &use);
    record->tenure.at = use.at;
    record->tenure.goroutine = use.goroutine;
    record->tenure.thread = use.thread;
    record->tenures++;
    record->flags = opener ? record->flags | UC_OPENING_IN_TENURE : record->flags & ~UC_OPENING_IN_TENURE;
  }
  record->request_count++;
  note_stack(&use, target, now, 0, &caller);
  remember(record->requests, &use);
}

// The application is given the end of a connection. Of one that was accepted by whom: nothing further arrives on it, and whoever
// read the end is the one to close it. The first receive after the last request gives its place to that.
static __always_inline void told_of_end(struct uc_record *record, struct uc_target *target, long error, __u64 now) {
  if (record->end_seen) return;
  record->end_seen = now;
  record->end_errno = error;
  if (record->role != UC_ROLE_SERVER) return;
  struct uc_use told = {};
  note_use(&told, target, now);
  if (told.stack) record->receive = told;
}

static __always_inline void sent(struct uc_record *record, struct sock *sk, struct uc_target *target, long ret, __u8 shut) {
  __u64 now = bpf_ktime_get_ns();
  note_state_in_use(record, sk, shut, now);
  if (ret < 0) {
    if (ret == -EPIPE || ret == -ECONNRESET) told_of_end(record, target, -ret, now);
    return;
  }
  if (record->direction != UC_SENT) {
    record->direction = UC_SENT;
    request(record, target, now);
  }
  record->bytes_sent += ret;
  record->last_send = now;
}

// `shut`: sk_shutdown; where the peer has ended its side, a receive of nothing is the end of file.
static __always_inline void received(struct uc_record *record, struct sock *sk, struct uc_target *target, long ret, __u8 shut) {
  __u64 now = bpf_ktime_get_ns();
  note_state_in_use(record, sk, shut, now);
  if (ret <= 0) {
    bool end = ret == 0 && (shut & PEER_ENDED);
    if (end || ret == -ECONNRESET || ret == -EPIPE || ret == -ETIMEDOUT) told_of_end(record, target, -ret, now);
    return;
  }
  if (record->direction == UC_SENT) {
    note_use(&record->receive, target, now);
  } else if (record->last_receive && now - record->last_receive > unasked_gap_ns) {
    record->unasked++;
  }
  record->direction = UC_RECEIVED;
  record->bytes_received += ret;
  record->last_receive = now;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int ret, int flags) {
  struct uc_record *record = record_of(sk);
  struct uc_target *target = record ? target_of_current() : 0;
  if (target) sent(record, sk, target, ret, sk->sk_shutdown);
  return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int ret, int flags) {
  if (ret == -EAGAIN) return 0;
  struct uc_record *record = record_of(sk);
  struct uc_target *target = record ? target_of_current() : 0;
  if (target) received(record, sk, target, ret, sk->sk_shutdown);
  return 0;
}

// Linux before 6.3 has no tracepoints for what sockets send and receive: there the exits of the system calls tell, at the price of a tax on all of them.
enum {
  NR_READ = 0, NR_WRITE = 1, NR_READV = 19, NR_WRITEV = 20, NR_SENDFILE = 40, NR_SENDTO = 44, NR_RECVFROM = 45,
  NR_SENDMSG = 46, NR_RECVMSG = 47, NR_RECVMMSG = 299, NR_SENDMMSG = 307,
};
enum { PEEK = 2 };

SEC("tracepoint")
int on_io_exit(struct syscall_exit *ctx) {
  long nr = ctx->nr, ret = ctx->ret;
  struct uc_target *target = target_of_current();
  if (ret == -EAGAIN || !target) return 0;
  struct pt_regs *regs = registers();
  if ((nr == NR_RECVFROM && (regs->r10 & PEEK)) || (nr == NR_RECVMSG && (regs->dx & PEEK))) return 0;
  __u64 file = file_of(regs->di);
  if (!file) return 0;
  struct uc_record *record = record_of_file(file);
  if (!record) return 0;
  struct sock *sk = sock_of(record);
  if (!sk) return 0;
  if (nr == NR_READ || nr == NR_READV || nr == NR_RECVFROM || nr == NR_RECVMSG || nr == NR_RECVMMSG) {
    received(record, sk, target, ret, BPF_CORE_READ(sk, sk_shutdown));
  } else {
    sent(record, sk, target, ret, BPF_CORE_READ(sk, sk_shutdown));
  }
  return 0;
}

// Runs in any context, also in a softirq for somebody else: never looks at the current task. What a healthy service never
// meets: a reset, a failed connect, a peer that does not answer any more.
SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(on_error, const struct sock *reported) {
  struct sock *sk = (struct sock *)reported;
  // Some kernels report a failed connect before they change the state (seen in 6.6).
  __u8 state = sk->__sk_common.skc_state;
  if ((state != CLOSE && state != SYN_SENT) || sk->sk_protocol != PROTOCOL_TCP) return 0;
  struct uc_record *record = record_of(sk);
  if (!record) return 0;
  __u64 now = bpf_ktime_get_ns();
  int error = sk->sk_err;
  if (state == CLOSE) {
    record->state = CLOSE;
    record->state_since = now;
  }
  // A connect that our own side gave up ends as if it were reset; one that is refused has an error of its own.
  if (!error || error == ECONNRESET || record->connect_errno || ever_connected(sk)) return 0;
  record->role = UC_ROLE_CLIENT;
  if (!record->connect_started) record->connect_started = now;
  record->connect_errno = error;
  note_failure(UC_TRY_CONNECT, error, record->opened.stack, record);
  return 0;
}

// ---- the scan -------------------------------------------------------------------------------------------------------

// One row for each descriptor of a target. A file without a record gets one: it was open before the attach, or came in
// a way that no hook sees.
SEC("iter/task_file")
int scan(struct bpf_iter__task_file *ctx) {
  struct task_struct *task = ctx->task;
  struct file *file = ctx->file;
  if (!task || !file) return 0;
  __u32 tgid = task->tgid;
  if (!bpf_map_lookup_elem(&targets, &tgid)) return 0;
  // Older kernels (seen in 6.1) show the table that threads share once for each of them.
  struct task_struct *leader = task->group_leader;
  struct files_struct *files = task->files;
  if (task->pid != task->tgid && leader && files == leader->files) return 0;
  __u64 key = (__u64)file, now = bpf_ktime_get_ns();
  struct uc_record *record = record_of_file(key);
  if (record && !same_file(record)) {
    finish(record, now, 0);
    record = 0;
  }
  if (!record) {
    __u32 zero = 0;
    struct uc_record *fresh = bpf_map_lookup_elem(&scanned, &zero);
    if (!fresh) return 0;
    describe(fresh, key, tgid, ctx->fd, now);
    if (just_finished(fresh, now)) return 0;
    fresh->flags = baseline ? UC_BEFORE_ATTACH : UC_UNTRACED;
    if (keep_record(key, fresh)) count(UC_CREATED, 1);
    record = record_of_file(key);
    if (!record) {
      // No place: told all the same, as found now, and by the same name at every scan.
      fresh->generation = fresh->inode;
      record = fresh;
      unplaced++;
    }
  }
  struct uc_row head = {};
  head.tgid = tgid;
  head.fd = ctx->fd;
  head.references = references_of(key) - 1;   // the iterator holds one itself
  if (task->pid != task->tgid) head.thread = task->pid;
  struct signal_struct *group = task->signal;
  // CLONE_FILES without CLONE_THREAD: one reference, and yet a descriptor in each of several processes.
  if (files && group && files->count.counter > group->nr_threads) head.references++;
  refresh(record, &head, now);
  struct uc_handed *known = handed_of(record);
  head.handed = known ? 1 : 0;
  bpf_seq_write(ctx->meta->seq, &head, sizeof(head));
  bpf_seq_write(ctx->meta->seq, record, sizeof(*record));
  if (known) bpf_seq_write(ctx->meta->seq, known, sizeof(*known));
  return 0;
}

// Takes out a record whose file was in no table at a scan, unless the object lives again. One that changed hands since
// the scan began may have gone from a table that was not read yet to one that was: the next scan tells.
struct reap_request {
  __u64 file, generation, began;
};
SEC("syscall")
int reap(struct reap_request *request) {
  __u64 key = request->file;
  struct uc_record *record = record_of_file(key);
  if (!record || record->generation != request->generation) return 0;
  if (record->duplicated.at > request->began || record->partly_closed > request->began >> UC_COARSE_SHIFT) return 0;
  forget(record, key);
  return 1;
}
