// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The kernel side: one record for each open file of the targets, kept up by the cheapest hooks that see the fact, with
// the stacks of its opening, of its last requests and of its closing.
//
// Identity is the kernel's struct file, so dup, fork, exec and descriptor passing need no bookkeeping here: they only
// change who refers to it. The tables of descriptors themselves are read by the iterator below, which is the truth; a
// record whose file is in no table any more is taken out by the user side (reap).
//
// It cannot see: opens by io_uring (the iterator finds them, without a stack), and closes by exec and exit (likewise).
#include "collect/bpf/kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "collect/bpf/descriptors_intf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u64 unasked_gap_ns = 250000000;
const volatile __u32 closer_every = 16;      // closing stacks: the first 32 of a site, then one in so many

bool baseline = false;      // the running scan is the first of its process

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 262144);
  __type(key, __u64);
  __type(value, struct uc_record);
} objects SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct uc_target);
} targets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct uc_stack);
} stacks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct uc_failure_key);
  __type(value, struct uc_failure);
} failures SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 8 << 20);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, UC_COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct uc_space);
} spaces SEC(".maps");

// A row packs pc (32), cfa (16), rbp (8) and type (8).
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} rows SEC(".maps");

// For each block of code the rows that begin in it: [low 32 bits, high 32 bits).
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} blocks SEC(".maps");

struct walk {
  __u32 busy, space, range, ranges;
  __u64 pc, sp, bp, hash;
  struct uc_stack stack;
  struct uc_record record;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct walk);
} walks SEC(".maps");

// The record that the scan is making. Scans run one after the other; hooks never touch it.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct uc_record);
} scanned SEC(".maps");

static __always_inline void count(__u32 what, __u64 by) {
  __u64 *value = bpf_map_lookup_elem(&counters, &what);
  if (value) *value += by;
}

static __always_inline struct walk *walk_of_cpu(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&walks, &zero);
}

static __always_inline struct uc_target *target_of_current(void) {
  __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  return bpf_map_lookup_elem(&targets, &tgid);
}

// ---- the walker -----------------------------------------------------------------------------------------------------

// Finds the mapping of `pc` in the address space of the walk: its index, or UC_MAX_RANGES.
static __always_inline __u32 find_range(struct uc_space *space, __u64 pc) {
  __u32 low = 0;
#pragma unroll
  for (int i = 7; i >= 0; i--) {
    __u32 step = 1U << i;
    __u64 start = space->range[(low + step) & (UC_MAX_RANGES - 1)].start;
    // Branch-free: a branch here doubles the paths that the verifier walks.
    low += step & ~(__u32)((__s64)(pc - start) >> 63);
  }
  low &= UC_MAX_RANGES - 1;
  if (pc < space->range[low].start || pc >= space->range[low].end) return UC_MAX_RANGES;
  return low;
}

// The unwind row of `offset` from the table's base; 0 (the end type) when there is none.
static __always_inline __u64 find_row(struct uc_range *range, __u32 offset) {
  __u32 block = offset >> UC_BLOCK_SHIFT;
  if (block >= range->blocks) return 0;
  block += range->first_block;
  __u64 *entry = bpf_map_lookup_elem(&blocks, &block);
  if (!entry) return 0;
  __u32 low = (__u32)*entry, high = *entry >> 32;
#pragma unroll
  for (int i = 6; i >= 0; i--) {
    __u32 step = 1U << i, at = low + step - 1;
    __u64 *row = bpf_map_lookup_elem(&rows, &at);
    if (!row) continue;
    __s64 behind = (__s64)offset - (__s64)(__u32)*row;   // < 0: the row begins behind the pc
    __s64 inside = (__s64)at - (__s64)high;              // < 0: the row is in this block
    low += step & (__u32)(~(behind >> 63) & (inside >> 63));
  }
  if (low <= range->first_row) return 0;
  low--;
  __u64 *row = bpf_map_lookup_elem(&rows, &low);
  return row ? *row : 0;
}

static __always_inline int step_frame_pointer(struct walk *walk) {
  __u64 pair[2];
  if (!walk->bp) return UC_COMPLETE;
  if (bpf_probe_read_user(pair, sizeof(pair), (void *)walk->bp)) return UC_UNREADABLE;
  if (!pair[1]) return UC_COMPLETE;
  walk->sp = walk->bp + 16;
  walk->bp = pair[0];
  walk->pc = pair[1];
  return -1;
}

static __always_inline int step_signal(struct walk *walk) {
  // struct rt_sigframe after the handler popped its return address: the ucontext begins at rsp; gregs rbp, rsp, rip.
  __u64 bp, sp, pc;
  if (bpf_probe_read_user(&bp, 8, (void *)(walk->sp + 120))) return UC_UNREADABLE;
  if (bpf_probe_read_user(&sp, 8, (void *)(walk->sp + 160))) return UC_UNREADABLE;
  if (bpf_probe_read_user(&pc, 8, (void *)(walk->sp + 168))) return UC_UNREADABLE;
  walk->bp = bp;
  walk->sp = sp;
  walk->pc = pc + 1;   // an interrupted pc, not a return address
  return -1;
}

enum { ROW_END, ROW_RSP, ROW_RBP, ROW_PLT, ROW_EXPRESSION, ROW_FRAME_POINTER, ROW_SIGNAL, ROW_RBP_DEREF };

static __always_inline int step_row(struct walk *walk, __u64 row, __u32 offset) {
  __u32 type = row >> 56, rbp = (row >> 48) & 255, cfa_units = (row >> 32) & 0xffff;
  __u64 cfa, value;
  if (type == ROW_RSP) {
    cfa = walk->sp + cfa_units * 8;
  } else if (type == ROW_RBP) {
    cfa = walk->bp + cfa_units * 8;
  } else if (type == ROW_FRAME_POINTER) {
    return step_frame_pointer(walk);
  } else if (type == ROW_PLT) {
    cfa = walk->sp + 8 + ((offset & 15) >= 11 ? 8 : 0);
  } else if (type == ROW_RBP_DEREF) {
    if (bpf_probe_read_user(&cfa, 8, (void *)(walk->bp + (__s64)(__s16)cfa_units * 8))) return UC_UNREADABLE;
  } else if (type == ROW_SIGNAL) {
    return step_signal(walk);
  } else {
    return type == ROW_END ? UC_NO_TABLE : UC_EXPRESSION;
  }
  if (bpf_probe_read_user(&value, 8, (void *)(cfa - 8))) return UC_UNREADABLE;
  walk->pc = value;
  if (rbp && rbp != 255) {
    if (bpf_probe_read_user(&value, 8, (void *)(cfa - rbp * 8))) return UC_UNREADABLE;
    walk->bp = value;
  }
  walk->sp = cfa;
  return walk->pc ? -1 : UC_COMPLETE;
}

// One frame: notes the pc and steps to the caller. Answers -1 to go on, else why the walk ends (enum uc_stop).
// A global function, so that the verifier walks it once and not for every caller.
__noinline int walk_step(__u32 index) {
  struct walk *walk = walk_of_cpu();
  if (!walk) return UC_UNREADABLE;
  if (index >= UC_MAX_FRAMES) return UC_DEPTH;
  __u64 pc = walk->pc;
  walk->stack.pcs[index] = pc;
  walk->stack.frames = index + 1;
  walk->hash = (walk->hash ^ pc) * 0xff51afd7ed558ccdULL;
  walk->hash ^= walk->hash >> 32;
  __u64 at = index ? pc - 1 : pc;
  __u32 key = walk->space;
  struct uc_space *space = bpf_map_lookup_elem(&spaces, &key);
  if (!space) return UC_UNMAPPED;
  __u32 found = walk->range;
  if (found >= UC_MAX_RANGES || at < space->range[found].start || at >= space->range[found].end) {
    found = find_range(space, at);
    if (found >= UC_MAX_RANGES) return UC_UNMAPPED;
    walk->range = found;
  }
  struct uc_range *range = &space->range[found];
  if (range->kind == UC_RANGE_FRAME_POINTER) return step_frame_pointer(walk);
  __u32 offset = (__u32)(at - range->base);
  __u64 row = find_row(range, offset);
  // A row of the end type at a pc that a table covers is the outermost frame (_start, clone); a hole has none.
  if ((row >> 56) == ROW_END) return row ? UC_COMPLETE : UC_NO_TABLE;
  return step_row(walk, row, offset);
}

struct loop {
  int stop;
};
static long walk_loop(__u32 index, struct loop *loop) {
  // Frame 0 was taken by the caller when it had no frame of its own.
  int stop = walk_step(index);
  loop->stop = stop;
  return stop >= 0;
}
static long walk_loop_rest(__u32 index, struct loop *loop) {
  int stop = walk_step(index + 1);
  loop->stop = stop;
  return stop >= 0;
}

static __always_inline bool frameless(struct uc_target *target, __u64 pc) {
  for (__u32 i = 0; i < UC_FRAMELESS; i++) {
    if (i >= target->frameless) return false;
    if (pc >= target->frameless_range[i][0] && pc < target->frameless_range[i][1]) return true;
  }
  return false;
}

// Sends a copy of the stack's top for the user side to walk, and answers the id under which it will be known.
static __always_inline __u64 defer(struct pt_regs *regs) {
  struct uc_event_stack *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) {
    count(UC_LOST_DEFERRED, 1);
    return 0;
  }
  event->type = UC_EVENT_STACK;
  event->tgid = bpf_get_current_pid_tgid() >> 32;
  event->id = (1ULL << 63) | bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 255);
  event->pc = regs->ip;
  event->sp = regs->sp;
  event->bp = regs->bp;
  // The copy fails as a whole where it runs over the stack's end: halve until it fits.
  __u32 size = UC_STACK_COPY;
  if (bpf_probe_read_user(event->bytes, UC_STACK_COPY, (void *)regs->sp)) {
    size = UC_STACK_COPY / 4;
    if (bpf_probe_read_user(event->bytes, UC_STACK_COPY / 4, (void *)regs->sp)) {
      size = 256;
      if (bpf_probe_read_user(event->bytes, 256, (void *)regs->sp)) size = 0;
    }
  }
  event->size = size;
  event->reserved = 0;
  __u64 id = event->id;
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  return id;
}

static __always_inline __u64 intern(struct walk *walk) {
  __u64 id = walk->hash & ~(1ULL << 63);
  if (!id) id = 1;
  if (bpf_map_lookup_elem(&stacks, &id)) return id;
  walk->stack.references = 0;
  walk->stack.closes = 0;
  walk->stack.space = walk->space;
  if (bpf_map_update_elem(&stacks, &id, &walk->stack, BPF_NOEXIST)) {
    if (bpf_map_lookup_elem(&stacks, &id)) return id;
    count(UC_LOST_STACKS, 1);
    return 0;
  }
  count(UC_STACKS_MADE, 1);
  return id;
}

// The stack of the current task in user mode, interned; 0 when none could be taken (counted by reason).
// A global function: verified once for each program.
__noinline __u64 take_stack(void) {
  struct walk *walk = walk_of_cpu();
  struct uc_target *target = target_of_current();
  if (!walk || !target || (target->flags & UC_TARGET_NO_STACKS)) return 0;
  if (walk->busy) {
    count(UC_LOST_NESTED, 1);
    return 0;
  }
  __u64 began = bpf_ktime_get_ns();
  struct task_struct *task = bpf_get_current_task_btf();
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  __u64 id = 0;
  if (target->flags & UC_TARGET_UNMAPPED) {
    id = defer(regs);
    count(UC_STACKS_TAKEN, 1);
    count(UC_STACK_NS, bpf_ktime_get_ns() - began);
    return id;
  }
  walk->busy = 1;
  walk->space = target->space;
  walk->range = UC_MAX_RANGES;
  walk->pc = regs->ip;
  walk->sp = regs->sp;
  walk->bp = regs->bp;
  walk->hash = 0x9e3779b97f4a7c15ULL + walk->space;
  walk->stack.frames = 0;
  struct loop loop = {.stop = UC_DEPTH};
  __u64 caller;
  if (frameless(target, regs->ip) && !bpf_probe_read_user(&caller, 8, (void *)regs->sp)) {
    walk->stack.pcs[0] = walk->pc;
    walk->stack.frames = 1;
    walk->pc = caller;
    walk->sp += 8;
    bpf_loop(UC_MAX_FRAMES, walk_loop_rest, &loop, 0);
  } else {
    bpf_loop(UC_MAX_FRAMES, walk_loop, &loop, 0);
  }
  if (loop.stop == UC_UNMAPPED && walk->stack.frames <= 24) {
    // Newly mapped code, or code without a file: the user side looks it up and walks a copy.
    id = defer(regs);
  } else if (loop.stop == UC_UNREADABLE && walk->stack.frames <= 1) {
    count(UC_LOST_UNREADABLE, 1);
  } else {
    walk->stack.stop = loop.stop == UC_UNMAPPED ? UC_NO_TABLE : loop.stop < 0 ? UC_DEPTH : loop.stop;
    id = intern(walk);
  }
  walk->busy = 0;
  count(UC_STACKS_TAKEN, 1);
  count(UC_STACK_NS, bpf_ktime_get_ns() - began);
  return id;
}

static __always_inline void refer(__u64 id, int by) {
  if (!id || id >> 63) return;
  struct uc_stack *stack = bpf_map_lookup_elem(&stacks, &id);
  if (stack) __sync_fetch_and_add(&stack->references, by);
}

static __always_inline __u64 goroutine(void) {
  struct uc_target *target = target_of_current();
  if (!target || !(target->flags & UC_TARGET_GO)) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  __u64 g = 0, id = 0;
  if (bpf_probe_read_user(&g, 8, (void *)(task->thread.fsbase + (__s64)target->g_tls_offset)) || !g) return 0;
  if (bpf_probe_read_user(&id, 8, (void *)(g + target->goid_offset))) return 0;
  return id;
}

static __always_inline void note_actor(struct uc_use *use, __u64 now) {
  use->at = now;
  use->thread = (__u32)bpf_get_current_pid_tgid();
  use->goroutine = goroutine();
}

// Replaces what `slot` holds by a stack taken now.
static __always_inline void note_use(struct uc_use *slot, __u64 now) {
  __u64 stack = take_stack();
  if (slot->stack != stack) {
    refer(stack, 1);
    refer(slot->stack, -1);
    slot->stack = stack;
  }
  note_actor(slot, now);
}

// ---- files ----------------------------------------------------------------------------------------------------------

static __always_inline __u64 file_of(__u32 fd) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct files_struct *files = task->files;
  if (!files) return 0;
  struct fdtable *table = files->fdt;
  if (!table || fd >= table->max_fds) return 0;
  __u64 file = 0;
  bpf_probe_read_kernel(&file, 8, table->fd + fd);
  return file;
}

static __always_inline __u64 references_of(__u64 file) {
  struct file___ref *with_ref = (void *)file;
  struct file___count *with_count = (void *)file;
  if (bpf_core_field_exists(with_ref->f_ref)) return BPF_CORE_READ(with_ref, f_ref.refcnt.counter) + 1;
  return BPF_CORE_READ(with_count, f_count.counter);
}

enum { MAGIC_SOCK = 0x534F434B, MAGIC_PIPE = 0x50495045, MAGIC_ANON = 0x09041934, MAGIC_PIDFS = 0x50494446 };
enum { MODE_TYPE = 0170000, MODE_FIFO = 0010000 };
enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10, FAMILY_NETLINK = 16 };
enum { TYPE_STREAM = 1 };

static __always_inline __u8 kind_of_anonymous(struct file *file) {
  char name[16] = {};
  const unsigned char *text = BPF_CORE_READ(file, f_path.dentry, d_name.name);
  bpf_probe_read_kernel_str(name, sizeof(name), text);
  if (name[0] != '[') return UC_OTHER;
  if (name[1] == 'e' && name[6] == 'f') return UC_EVENTFD;     // [eventfd]
  if (name[1] == 'e' && name[6] == 'p') return UC_EPOLL;       // [eventpoll]
  if (name[1] == 't' && name[2] == 'i') return UC_TIMERFD;
  if (name[1] == 's' && name[2] == 'i') return UC_SIGNALFD;
  if (name[1] == 'i' && name[2] == 'n') return UC_INOTIFY;
  if (name[1] == 'p' && name[2] == 'i') return UC_PIDFD;
  return UC_OTHER;
}

static __always_inline __u8 kind_of_file(struct file *file, struct inode *inode) {
  unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
  if (magic == MAGIC_PIPE) return UC_PIPE;
  if (magic == MAGIC_PIDFS) return UC_PIDFD;
  if (magic == MAGIC_ANON) return kind_of_anonymous(file);
  if ((BPF_CORE_READ(inode, i_mode) & MODE_TYPE) == MODE_FIFO) return UC_FIFO;
  char name[8] = {};
  const unsigned char *text = BPF_CORE_READ(file, f_path.dentry, d_name.name);
  bpf_probe_read_kernel_str(name, sizeof(name), text);
  if (name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' && name[4] == 'd' && name[5] == ':')
    return UC_MEMFD;
  return UC_FILE;
}

static __always_inline bool unix_path(struct uc_record *record, struct unix_address *address) {
  if (!address) return false;
  int length = BPF_CORE_READ(address, len) - 2;
  if (length <= 0) return false;
  const char *path = (const char *)address + bpf_core_field_offset(struct unix_address, name) + 2;
  if (length > (int)sizeof(record->where.path) - 1) length = sizeof(record->where.path) - 1;
  bpf_probe_read_kernel(record->where.path, length & 63, path);
  if (!record->where.path[0]) record->where.path[0] = '@';
  return true;
}

// Both ends of the socket, as far as the kernel knows them now.
static __always_inline void note_ends(struct uc_record *record, struct sock *sk) {
  __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  record->family = family;
  if (family == FAMILY_INET) {
    __u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
    __u32 peer = BPF_CORE_READ(sk, __sk_common.skc_daddr);
    __builtin_memcpy(record->where.address.local, &local, 4);
    __builtin_memcpy(record->where.address.peer, &peer, 4);
  } else if (family == FAMILY_INET6) {
    BPF_CORE_READ_INTO(&record->where.address.local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
    BPF_CORE_READ_INTO(&record->where.address.peer, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
  } else if (family == FAMILY_UNIX) {
    struct unix_sock *unix_sk = (void *)sk;
    struct unix_sock *peer = (void *)BPF_CORE_READ(unix_sk, peer);
    if (!(peer && unix_path(record, BPF_CORE_READ(peer, addr)))) unix_path(record, BPF_CORE_READ(unix_sk, addr));
    return;
  } else {
    return;
  }
  record->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
  record->peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
}

static __always_inline void note_socket(struct uc_record *record, struct sock *sk) {
  __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  __u16 type = BPF_CORE_READ(sk, sk_type);
  note_ends(record, sk);
  if (family == FAMILY_UNIX) {
    record->kind = UC_UNIX;
  } else if (family == FAMILY_NETLINK) {
    record->kind = UC_NETLINK;
  } else if (family == FAMILY_INET || family == FAMILY_INET6) {
    record->kind = type == TYPE_STREAM ? UC_TCP : UC_UDP;
  } else {
    record->kind = UC_OTHER;
  }
  record->keepalive = (BPF_CORE_READ(sk, __sk_common.skc_flags) >> 3) & 1;
  if (record->kind == UC_TCP || (record->kind == UC_UNIX && type == TYPE_STREAM)) {
    record->state = BPF_CORE_READ(sk, __sk_common.skc_state);
    if (record->state == 10) record->role = UC_ROLE_LISTENER;
  }
}

static __always_inline struct sock *sock_of(struct uc_record *record) {
  if (record->kind != UC_TCP && record->kind != UC_UDP && record->kind != UC_UNIX && record->kind != UC_NETLINK) return 0;
  struct socket *socket = (void *)record->private_data;
  return socket ? BPF_CORE_READ(socket, sk) : 0;
}

// Fills everything that the file itself tells. The rest is zero.
static __always_inline void describe(struct uc_record *record, __u64 address, __u32 tgid, __u32 fd, __u64 now) {
  struct file *file = (void *)address;
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  __builtin_memset(record, 0, sizeof(*record));
  record->file = address;
  record->generation = now;
  record->inode_object = (__u64)inode;
  record->private_data = (__u64)BPF_CORE_READ(file, private_data);
  record->inode = BPF_CORE_READ(inode, i_ino);
  record->tgid = tgid;
  record->fd = fd;
  record->opened.at = now;
  if (BPF_CORE_READ(inode, i_sb, s_magic) == MAGIC_SOCK) {
    struct socket *socket = (void *)record->private_data;
    struct sock *sk = BPF_CORE_READ(socket, sk);
    record->kind = UC_OTHER;
    if (sk) note_socket(record, sk);
  } else {
    record->kind = kind_of_file(file, inode);
  }
}

static __always_inline bool same_file(struct uc_record *record) {
  struct file *file = (void *)record->file;
  return (__u64)BPF_CORE_READ(file, f_inode) == record->inode_object &&
         (__u64)BPF_CORE_READ(file, private_data) == record->private_data;
}

static __always_inline void forget_stacks(struct uc_record *record) {
  refer(record->opened.stack, -1);
#pragma unroll
  for (int i = 0; i < UC_REQUESTS; i++) refer(record->requests[i].stack, -1);
  refer(record->receive.stack, -1);
  refer(record->duplicated.stack, -1);
}

// Reports the end of a record and takes it out. `vanished`: it was found gone, nobody saw the close.
static __always_inline void finish(struct uc_record *record, __u64 now, __u64 closer, bool vanished) {
  struct uc_event_closed *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (event) {
    event->type = UC_EVENT_CLOSED;
    event->vanished = vanished;
    event->closed.stack = closer;
    event->closed.reserved = 0;
    event->closed.goroutine = 0;
    event->closed.thread = 0;
    event->closed.at = now;
    if (!vanished) note_actor(&event->closed, now);
    __builtin_memcpy(&event->record, record, sizeof(*record));
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  } else {
    count(UC_LOST_RING, 1);
  }
  __u64 key = record->file;
  forget_stacks(record);
  if (!bpf_map_delete_elem(&objects, &key)) count(UC_DELETED, 1);
  count(UC_CLOSED_COUNT, 1);
}

// ---- descriptors come -----------------------------------------------------------------------------------------------

// Opens, on x86-64. One program serves all of them; the number tells which it was.
enum {
  NR_OPEN = 2, NR_PIPE = 22, NR_DUP = 32, NR_DUP2 = 33, NR_SOCKET = 41, NR_CONNECT = 42, NR_ACCEPT = 43,
  NR_SOCKETPAIR = 53, NR_FCNTL = 72, NR_CREAT = 85, NR_OPENAT = 257, NR_ACCEPT4 = 288, NR_DUP3 = 292, NR_PIPE2 = 293,
  NR_OPENAT2 = 437,
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
  if (!bpf_map_update_elem(&failures, &key, &fresh, BPF_NOEXIST)) refer(stack, 1);
}

enum { EMFILE = 24, ENFILE = 23, ENOMEM = 12, ENOBUFS = 105, EADDRNOTAVAIL = 99, EINTR = 4, EAGAIN = 11 };
enum { EINPROGRESS = 115, EALREADY = 114, EISCONN = 106, EPIPE = 32, ECONNRESET = 104, ETIMEDOUT = 110 };

// Failures of a limit, and of nothing else: a missing file is no news.
static __always_inline bool is_limit(long error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL;
}

// A file that is new in this process's table under `fd`. Answers false when the table of records is full.
static __always_inline void opened(__u32 fd, __u64 stack, __u8 role) {
  __u64 file = file_of(fd);
  if (!file) {
    count(UC_LOST_UNREADABLE, 1);
    return;
  }
  __u64 now = bpf_ktime_get_ns();
  struct uc_record *old = bpf_map_lookup_elem(&objects, &file);
  if (old) finish(old, now, 0, true);   // its close was not seen, and the kernel reused the object
  struct walk *walk = walk_of_cpu();
  if (!walk) return;
  struct uc_record *record = &walk->record;
  describe(record, file, bpf_get_current_pid_tgid() >> 32, fd, now);
  record->opened.stack = stack;
  note_actor(&record->opened, now);
  if (role) record->role = role;
  if (role == UC_ROLE_SERVER) record->state_since = now;
  refer(stack, 1);
  count(UC_OPENED, 1);
  if (bpf_map_update_elem(&objects, &file, record, BPF_ANY)) {
    refer(stack, -1);
    count(UC_LOST_TABLE, 1);
    return;
  }
  count(UC_CREATED, 1);
}

static __always_inline void duplicated(__u32 fd, __u64 stack) {
  __u64 file = file_of(fd);
  if (!file) return;
  struct uc_record *record = bpf_map_lookup_elem(&objects, &file);
  if (!record) return;
  refer(stack, 1);
  refer(record->duplicated.stack, -1);
  record->duplicated.stack = stack;
  note_actor(&record->duplicated, bpf_ktime_get_ns());
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
  return nr == NR_DUP || nr == NR_DUP2 || nr == NR_DUP3 || nr == NR_FCNTL;
}

SEC("tracepoint")
int on_open_exit(struct syscall_exit *ctx) {
  if (!target_of_current()) return 0;
  long nr = ctx->nr, ret = ctx->ret;
  if (ret < 0) {
    if (is_limit(-ret)) note_failure(attempt_of(nr), -ret, take_stack(), 0);
    return 0;
  }
  struct pt_regs *regs = registers();
  if (nr == NR_FCNTL && regs->si != DUPFD && regs->si != DUPFD_CLOEXEC) return 0;
  if (nr == NR_DUP2 && regs->di == regs->si) return 0;
  __u64 stack = take_stack();
  if (duplicates(nr)) {
    duplicated(ret, stack);
  } else if (opens_a_pair(nr)) {
    int pair[2];
    void *where = (void *)(nr == NR_SOCKETPAIR ? regs->r10 : regs->di);
    if (bpf_probe_read_user(pair, sizeof(pair), where)) {
      count(UC_LOST_UNREADABLE, 1);
      return 0;
    }
    opened(pair[0], stack, 0);
    opened(pair[1], stack, 0);
  } else {
    opened(ret, stack, nr == NR_ACCEPT || nr == NR_ACCEPT4 ? UC_ROLE_SERVER : 0);
  }
  return 0;
}

SEC("tracepoint")
int on_connect_exit(struct syscall_exit *ctx) {
  if (!target_of_current()) return 0;
  long ret = ctx->ret;
  __u64 file = file_of(registers()->di);
  if (!file) return 0;
  struct uc_record *record = bpf_map_lookup_elem(&objects, &file);
  if (!record) return 0;
  struct sock *sk = sock_of(record);
  if (!sk) return 0;
  record->role = UC_ROLE_CLIENT;
  __u64 now = bpf_ktime_get_ns();
  if (ret == 0 || ret == -EINPROGRESS) {
    note_ends(record, sk);
    if (!record->connect_started) record->connect_started = now;
    if (ret == 0 && !record->connect_finished) record->connect_finished = now;
    if (record->kind == UC_UNIX) record->state = BPF_CORE_READ(sk, __sk_common.skc_state);
    return 0;
  }
  if (ret == -EALREADY || ret == -EISCONN || ret == -EINTR || ret == -EAGAIN || record->connect_errno) return 0;
  record->connect_errno = -ret;
  note_failure(UC_TRY_CONNECT, -ret, take_stack(), record);
  return 0;
}

// ---- descriptors go -------------------------------------------------------------------------------------------------

static __always_inline void closing(__u32 fd) {
  __u64 file = file_of(fd);
  if (!file) return;
  struct uc_record *record = bpf_map_lookup_elem(&objects, &file);
  if (!record) return;
  if (references_of(file) > 1) {
    // Somebody else refers to it too, or another thread is inside a call on it: the next scan tells.
    __sync_fetch_and_add(&record->partial_closes, 1);
    return;
  }
  __u64 closer = 0;
  __u64 opener = record->opened.stack;
  struct uc_stack *site = opener ? bpf_map_lookup_elem(&stacks, &opener) : 0;
  __u32 closes = site ? __sync_fetch_and_add(&site->closes, 1) : 0;
  if (!site || closes < 32 || closes % closer_every == 0) closer = take_stack();
  finish(record, bpf_ktime_get_ns(), closer, false);
}

// At entry, while the number still belongs to the file: at exit another thread may own it already.
SEC("tracepoint")
int on_close_enter(struct syscall_enter *ctx) {
  if (!target_of_current()) return 0;
  closing(ctx->args[0]);
  return 0;
}

// dup2 and dup3 close what the new number referred to.
SEC("tracepoint")
int on_dup_enter(struct syscall_enter *ctx) {
  if (!target_of_current()) return 0;
  if (ctx->args[0] != ctx->args[1] && file_of(ctx->args[0])) closing(ctx->args[1]);
  return 0;
}

static __always_inline void tell_process(__u32 type, __u32 tgid, __u32 parent) {
  struct uc_event_process *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) {
    count(UC_LOST_RING, 1);
    return;
  }
  event->type = type;
  event->tgid = tgid;
  event->parent = parent;
  event->reserved = 0;
  bpf_ringbuf_submit(event, type == UC_EVENT_RESCAN ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
}

SEC("tracepoint")
int on_close_range_exit(struct syscall_exit *ctx) {
  if (target_of_current() && ctx->ret == 0) tell_process(UC_EVENT_RESCAN, bpf_get_current_pid_tgid() >> 32, 0);
  return 0;
}

// ---- use ------------------------------------------------------------------------------------------------------------

static __always_inline struct uc_record *record_of(struct sock *sk) {
  struct socket *socket = sk->sk_socket;
  if (!socket) return 0;
  __u64 file = (__u64)socket->file;
  if (!file) return 0;
  return bpf_map_lookup_elem(&objects, &file);
}

static __always_inline bool same_actor(struct uc_use *a, __u32 thread, __u64 id) {
  return a->goroutine || id ? a->goroutine == id : a->thread == thread;
}

// A request begins: notes its stack among the last ones with different stacks, and whose tenure it belongs to.
static __always_inline void request(struct uc_record *record, __u64 now) {
  __u64 last = record->last_send > record->last_receive ? record->last_send : record->last_receive;
  if (record->request_count && now - last > record->longest_gap) record->longest_gap = now - last;
  struct uc_use use = {};
  note_actor(&use, now);
  if (!record->request_count || !same_actor(&record->tenure, use.thread, use.goroutine)) {
    bool opener = !record->request_count && !(record->flags & (UC_BEFORE_ATTACH | UC_UNTRACED)) &&
                  same_actor(&record->opened, use.thread, use.goroutine);
    record->tenure = use;
    record->tenures++;
    record->flags = opener ? record->flags | UC_OPENING_IN_TENURE : record->flags & ~UC_OPENING_IN_TENURE;
  }
  record->request_count++;
  use.stack = take_stack();
  struct uc_use *slot = record->requests;
  if (slot[0].stack == use.stack && slot[0].at) {
    slot[0] = use;
  } else if (slot[1].stack == use.stack && slot[1].at) {
    slot[1] = slot[0];
    slot[0] = use;
  } else {
    refer(use.stack, 1);
    if (slot[2].stack == use.stack && slot[2].at) {
      refer(use.stack, -1);
    } else {
      refer(slot[2].stack, -1);
    }
    slot[2] = slot[1];
    slot[1] = slot[0];
    slot[0] = use;
  }
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int ret, int flags) {
  struct uc_record *record = record_of(sk);
  if (!record || !target_of_current()) return 0;
  __u64 now = bpf_ktime_get_ns();
  if (ret < 0) {
    if ((ret == -EPIPE || ret == -ECONNRESET) && !record->end_seen) {
      record->end_seen = now;
      record->end_errno = -ret;
    }
    return 0;
  }
  if (record->direction != UC_SENT) {
    record->direction = UC_SENT;
    request(record, now);
  }
  record->bytes_sent += ret;
  record->last_send = now;
  return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int ret, int flags) {
  if (ret == -EAGAIN) return 0;
  struct uc_record *record = record_of(sk);
  if (!record || !target_of_current()) return 0;
  __u64 now = bpf_ktime_get_ns();
  if (ret <= 0) {
    bool end = ret == 0 && (sk->sk_shutdown & 1);
    if ((end || ret == -ECONNRESET || ret == -EPIPE || ret == -ETIMEDOUT) && !record->end_seen) {
      record->end_seen = now;
      record->end_errno = -ret;
    }
    return 0;
  }
  if (record->direction == UC_SENT) {
    note_use(&record->receive, now);
  } else if (record->last_receive && now - record->last_receive > unasked_gap_ns) {
    record->unasked++;
  }
  record->direction = UC_RECEIVED;
  record->bytes_received += ret;
  record->last_receive = now;
  return 0;
}

enum { ESTABLISHED = 1, SYN_SENT = 2, CLOSE = 7, CLOSE_WAIT = 8, LISTEN = 10 };

// Runs in any context, also in a softirq for somebody else: never looks at the current task.
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int after) {
  struct uc_record *record = record_of(sk);
  if (!record) return 0;
  __u64 now = bpf_ktime_get_ns();
  record->state = after;
  record->state_since = now;
  if (after == SYN_SENT) {
    record->connect_started = now;
    record->role = UC_ROLE_CLIENT;
  } else if (after == LISTEN) {
    record->role = UC_ROLE_LISTENER;
    record->local_port = sk->__sk_common.skc_num;
  } else if (before == SYN_SENT && after == ESTABLISHED) {
    record->connect_finished = now;
  } else if (before == SYN_SENT && after == CLOSE && sk->sk_err && !record->connect_errno) {
    record->connect_errno = sk->sk_err;
    note_failure(UC_TRY_CONNECT, sk->sk_err, record->opened.stack, record);
  }
  if (after == CLOSE_WAIT) record->peer_closed = now;
  return 0;
}

// ---- processes ------------------------------------------------------------------------------------------------------

// A child of a target is a target before it runs its first instruction.
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child) {
  __u32 old = parent->tgid, new = child->tgid;
  if (old == new) return 0;
  struct uc_target *target = bpf_map_lookup_elem(&targets, &old);
  if (!target) return 0;
  struct uc_target copy = *target;
  bpf_map_update_elem(&targets, &new, &copy, BPF_ANY);
  tell_process(UC_EVENT_FORK, new, old);
  return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid) {
  struct uc_target *target = target_of_current();
  if (!target) return 0;
  // Until the user side has read the new mappings, stacks are sent as copies.
  target->flags = UC_TARGET_UNMAPPED;
  tell_process(UC_EVENT_EXEC, bpf_get_current_pid_tgid() >> 32, old_pid);
  return 0;
}

// ---- the scan -------------------------------------------------------------------------------------------------------

static __always_inline void refresh(struct uc_record *record, struct uc_row *row) {
  struct sock *sk = sock_of(record);
  if (!sk) return;
  if (!record->peer_port && record->kind != UC_NETLINK) note_ends(record, sk);
  record->keepalive = (BPF_CORE_READ(sk, __sk_common.skc_flags) >> 3) & 1;
  __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
  if (record->kind == UC_TCP) {
    record->state = state;
    if (state == LISTEN) record->role = UC_ROLE_LISTENER;
    struct tcp_sock *tcp = (void *)sk;
    if (state != LISTEN) {
      __u32 unread = BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq);
      // The peer's FIN takes a number of its own.
      if (unread && (BPF_CORE_READ(sk, sk_shutdown) & 1)) unread--;
      row->recv_queue = state == SYN_SENT ? 0 : unread;
      row->send_queue = BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una);
      row->unanswered = BPF_CORE_READ(tcp, inet_conn.icsk_retransmits) + BPF_CORE_READ(tcp, inet_conn.icsk_probes_out);
    }
  } else if (record->kind == UC_UNIX) {
    struct unix_sock___inq *counted = (void *)sk;
    if (BPF_CORE_READ(sk, sk_type) == TYPE_STREAM) {
      record->state = state;
      if (state == LISTEN) record->role = UC_ROLE_LISTENER;
    }
    row->recv_queue = bpf_core_field_exists(counted->inq_len) ? BPF_CORE_READ(counted, inq_len)
                                                              : BPF_CORE_READ(sk, sk_receive_queue.qlen);
    if (!record->peer_closed && (BPF_CORE_READ(sk, sk_shutdown) & 1) && state == ESTABLISHED)
      record->peer_closed = bpf_ktime_get_ns();
  } else {
    row->recv_queue = BPF_CORE_READ(sk, sk_receive_queue.qlen);
  }
}

// One row for each descriptor of a target. A file without a record gets one: it was open before the attach, or came in
// a way that no hook sees.
SEC("iter/task_file")
int scan(struct bpf_iter__task_file *ctx) {
  struct task_struct *task = ctx->task;
  struct file *file = ctx->file;
  if (!task || !file) return 0;
  __u32 tgid = task->tgid;
  if (!bpf_map_lookup_elem(&targets, &tgid)) return 0;
  __u64 key = (__u64)file, now = bpf_ktime_get_ns();
  struct uc_record *record = bpf_map_lookup_elem(&objects, &key);
  if (record && !same_file(record)) {
    finish(record, now, 0, true);
    record = 0;
  }
  if (!record) {
    __u32 zero = 0;
    struct uc_record *fresh = bpf_map_lookup_elem(&scanned, &zero);
    if (!fresh) return 0;
    describe(fresh, key, tgid, ctx->fd, now);
    fresh->flags = baseline ? UC_BEFORE_ATTACH : UC_UNTRACED;
    if (bpf_map_update_elem(&objects, &key, fresh, BPF_NOEXIST) == 0) count(UC_CREATED, 1);
    record = bpf_map_lookup_elem(&objects, &key);
    if (!record) {
      count(UC_LOST_TABLE, 1);
      return 0;
    }
  }
  struct uc_row head = {};
  head.tgid = tgid;
  head.fd = ctx->fd;
  head.references = references_of(key);
  refresh(record, &head);
  bpf_seq_write(ctx->meta->seq, &head, sizeof(head));
  bpf_seq_write(ctx->meta->seq, record, sizeof(*record));
  return 0;
}

// Takes out a record whose file was in no table at a scan, unless the object lives again.
struct reap_request {
  __u64 file, generation;
};
SEC("syscall")
int reap(struct reap_request *request) {
  __u64 key = request->file;
  struct uc_record *record = bpf_map_lookup_elem(&objects, &key);
  if (!record || record->generation != request->generation) return 0;
  forget_stacks(record);
  if (!bpf_map_delete_elem(&objects, &key)) count(UC_DELETED, 1);
  return 1;
}
