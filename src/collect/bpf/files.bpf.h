// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Files: from a number to the kernel's struct file, and what that tells of kind, ends and state. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/records.bpf.h"
#include "collect/bpf/typed_reads.bpf.h"
#include "collect/bpf/walker.bpf.h"

#include "collect/bpf/kinds.bpf.h"
// clang-format on

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
  if (bpf_core_field_exists(with_ref->f_ref)) return FETCH(struct file___ref, file, f_ref.refcnt.counter) + 1;
  return FETCH(struct file___count, file, f_count.counter);
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
  __u16 family = FETCH(struct sock, sk, __sk_common.skc_family);
  record->family = family;
  if (family == FAMILY_INET) {
    __u32 local = FETCH(struct sock, sk, __sk_common.skc_rcv_saddr);
    __u32 peer = FETCH(struct sock, sk, __sk_common.skc_daddr);
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
  record->local_port = local_port_of(sk, FETCH(struct sock, sk, __sk_common.skc_num));
  record->peer_port = __builtin_bswap16(FETCH(struct sock, sk, __sk_common.skc_dport));
}

static __always_inline void note_socket(struct uc_record *record, struct sock *sk) {
  __u16 family = FETCH(struct sock, sk, __sk_common.skc_family);
  __u16 type = FETCH(struct sock, sk, sk_type);
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
  if (record->kind == UC_TCP || (record->kind == UC_UNIX && type == TYPE_STREAM)) {
    record->state = FETCH(struct sock, sk, __sk_common.skc_state);
    if (record->state == 10) record->role = UC_ROLE_LISTENER;
  }
}

static __always_inline struct sock *sock_of(struct uc_record *record) {
  if (record->kind != UC_TCP && record->kind != UC_UDP && record->kind != UC_UNIX && record->kind != UC_NETLINK) return 0;
  __u64 socket = record->private_data;
  return socket ? (struct sock *)FETCH(struct socket, socket, sk) : 0;
}

static __always_inline struct uc_record *record_of(struct sock *sk) {
  struct socket *socket = sk->sk_socket;
  if (!socket) return 0;
  __u64 file = (__u64)socket->file;
  if (!file) return 0;
  return record_of_file(file);
}

// Fills everything that the file itself tells. The rest is zero.
static __always_inline void describe(struct uc_record *record, __u64 address, __u32 tgid, __u32 fd, __u64 now) {
  struct inode *inode = FETCH(struct file, address, f_inode);
  void *private_data = FETCH(struct file, address, private_data);
  struct super_block *super = FETCH(struct inode, inode, i_sb);
  __builtin_memset(record, 0, sizeof(*record));
  record->file = address;
  record->generation = now;
  record->inode_object = (__u64)inode;
  record->private_data = (__u64)private_data;
  record->inode = FETCH(struct inode, inode, i_ino);
  record->tgid = tgid;
  record->fd = fd;
  record->opened.at = now;
  if (FETCH(struct super_block, super, s_magic) == MAGIC_SOCK) {
    struct sock *sk = FETCH(struct socket, private_data, sk);
    record->kind = UC_OTHER;
    if (sk) note_socket(record, sk);
  } else {
    record->kind = kind_of_file((struct file *)address, inode);
  }
}

static __always_inline bool same_file(struct uc_record *record) {
  return (__u64)FETCH(struct file, record->file, f_inode) == record->inode_object &&
         (__u64)FETCH(struct file, record->file, private_data) == record->private_data;
}

// What probed functions told of this connection; 0: nothing.
static __always_inline struct uc_handed *handed_of(struct uc_record *record) {
  if (!(record->flags & UC_HANDED)) return 0;
  __u64 key = record->file;
  struct uc_handed *found = bpf_map_lookup_elem(&handed, &key);
  return found && found->generation == record->generation ? found : 0;
}

static __always_inline void fill_closed(struct uc_event_closed *event, struct uc_record *record, __u64 now,
                                        struct uc_use *closed) {
  event->type = UC_EVENT_CLOSED;
  event->vanished = !closed;
  if (closed) {
    event->closed = *closed;
  } else {
    __builtin_memset(&event->closed, 0, sizeof(event->closed));
    event->closed.at = now;
  }
  __builtin_memcpy(&event->record, record, sizeof(*record));
}

static __always_inline bool tell_closed(struct uc_record *record, __u64 now, struct uc_use *closed) {
  struct uc_event_closed *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) return false;
  fill_closed(event, record, now, closed);
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  return true;
}

static __always_inline bool tell_closed_handed(struct uc_record *record, struct uc_handed *known, __u64 now,
                                               struct uc_use *closed) {
  struct uc_event_closed_handed *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) return false;
  fill_closed(&event->closed, record, now, closed);
  __builtin_memcpy(&event->handed, known, sizeof(*known));
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  return true;
}

// Takes out the record of a file and what belongs to it. Counted once, also where a hook and a scan do it at a time; then the
// record may be another's already.
static __always_inline void forget(struct uc_record *record, __u64 key) {
  if (record->flags & UC_HANDED) bpf_map_delete_elem(&handed, &key);
  if (drop_record(key)) count(UC_DELETED, 1);
}

// Files whose close was told a moment ago: between the hook and the deed they still stand in the table, and a scan that
// passes there must not take them for new ones.
struct finished {
  __u64 file, private_data, at;
};
enum { FINISHED = 256, MOMENT_NS = 200000000 };
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FINISHED);
  __type(key, __u32);
  __type(value, struct finished);
} lately SEC(".maps");

static __always_inline struct finished *finished_place(__u64 file) {
  __u32 place = (__u32)((file * 0x9e3779b97f4a7c15ULL) >> 56);
  return bpf_map_lookup_elem(&lately, &place);
}

// `record`: as found now.
static __always_inline bool just_finished(struct uc_record *record, __u64 now) {
  // Through memory: the verifier allows no arithmetic on what it knows to be a pointer.
  __u64 file = *(volatile __u64 *)&record->file;
  struct finished *last = finished_place(file);
  return last && last->file == file && last->private_data == record->private_data &&
         (__s64)(now - last->at) < MOMENT_NS;
}

// A scan that came between an opening and its hook has made the record: it is the opening's all the same, and keeps its name.
static __always_inline bool found_first(struct uc_record *record, struct uc_use *how, __u8 role) {
  __s64 since = how->at - record->generation;
  if (!(record->flags & (UC_UNTRACED | UC_BEFORE_ATTACH)) || since > MOMENT_NS || since < -MOMENT_NS) return false;
  if (!same_file(record)) return false;
  record->opened = *how;
  record->flags &= ~(UC_UNTRACED | UC_BEFORE_ATTACH);
  if (role) record->role = role;
  return true;
}

// Reports the end of a record and takes it out. `closed`: by whom, or none where it was found gone and nobody saw the
// close.
static __always_inline void finish(struct uc_record *record, __u64 now, struct uc_use *closed) {
  __u64 file = record->file;
  struct uc_handed *known = handed_of(record);
  bool told = known ? tell_closed_handed(record, known, now, closed) : tell_closed(record, now, closed);
  if (!told) count(UC_LOST_RING, 1);
  struct finished *last = closed ? finished_place(file) : 0;
  if (last) {
    last->file = file;
    last->private_data = record->private_data;
    last->at = now;
  }
  forget(record, file);
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
