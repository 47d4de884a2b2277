// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Files: from a number to the kernel's struct file, and what that tells of kind, ends and state. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
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
  struct file___count *with_count = (void *)file;
  if (bpf_core_field_exists(with_ref->f_ref)) return BPF_CORE_READ(with_ref, f_ref.refcnt.counter) + 1;
  return BPF_CORE_READ(with_count, f_count.counter);
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
  for (int i = 0; i < UC_REQUESTS; i++) {
    refer(record->requests[i].stack, -1);
    refer(record->borrowed[i].stack, -1);
  }
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
    event->closed.times = 0;
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
