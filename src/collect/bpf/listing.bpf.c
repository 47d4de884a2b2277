// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The bare listing: one row for each descriptor, read from the kernel's objects at the moment it is asked, nothing kept
// and nothing hooked. What takes part in it is chosen by the iterator's own filter.
//
// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/kernel_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "collect/bpf/descriptors_intf.h"
#include "collect/bpf/listing_intf.h"
#include "collect/bpf/kinds.bpf.h"
#include "collect/bpf/typed_reads.bpf.h"
// clang-format on

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 jiffies_now = 0;  // of the last listing, and the clock at that moment
__u64 clock_now = 0;

enum { SYN_SENT = 2, CLOSE = 7, LISTEN = 10, RCV_SHUTDOWN = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct tcp_sock___times {
  __u32 lsndtime;
};
struct acknowledgements___times {
  __u32 lrcvtime;
};
struct inet_connection_sock___times {
  struct acknowledgements___times icsk_ack;
};
struct sock___backlog {
  __u32 sk_ack_backlog;
};
#pragma clang attribute pop

static __always_inline void list_tcp(struct uc_listed *row, struct sock *sk) {
  struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
  if (!tcp) return;
  row->kind = UC_TCP;
  row->state = sk->__sk_common.skc_state;
  row->flags |= UC_LISTED_QUEUES;
  if (row->state == CLOSE) row->flags |= UC_LISTED_UNLISTED;
  if (row->state == LISTEN) {
    row->recv_queue = BPF_CORE_READ((struct sock___backlog *)sk, sk_ack_backlog);
    return;
  }
  __u32 unread = tcp->rcv_nxt - tcp->copied_seq;
  if (unread && (sk->sk_shutdown & RCV_SHUTDOWN)) unread--;  // the peer's FIN takes a number of its own
  row->recv_queue = row->state == SYN_SENT ? 0 : unread;
  __u32 unacknowledged = tcp->write_seq - tcp->snd_una;
  // So do our own SYN and FIN: SYN_SENT, FIN_WAIT1, LAST_ACK, CLOSING.
  if (unacknowledged && (1 << row->state & (1 << SYN_SENT | 1 << 4 | 1 << 9 | 1 << 11))) unacknowledged--;
  row->send_queue = unacknowledged;
  if (row->state == CLOSE || row->state == SYN_SENT) return;
  __u32 now = bpf_jiffies64();
  row->sent_jiffies = now - ((struct tcp_sock___times *)tcp)->lsndtime;
  row->received_jiffies = now - ((struct inet_connection_sock___times *)tcp)->icsk_ack.lrcvtime;
  row->flags |= UC_LISTED_TIMES;
}

// The name of the peer, else the own one; answers its length, rounded up to whole words.
static __always_inline __u32 unix_name(char *into, struct sock *sk) {
  struct unix_sock *own = (void *)sk;
  struct unix_sock *peer = (void *)BPF_CORE_READ(own, peer);
  struct unix_address *address = peer ? BPF_CORE_READ(peer, addr) : 0;
  if (!address) address = BPF_CORE_READ(own, addr);
  if (!address) return 0;
  int length = BPF_CORE_READ(address, len) - 2;
  if (length <= 0) return 0;
  if (length > 108) length = 108;
  bpf_probe_read_kernel(into, length & 127, (const char *)address + bpf_core_field_offset(struct unix_address, name) + 2);
  if (!into[0]) into[0] = '@';
  return (length + 7) & ~7;
}

static __always_inline void list_socket(struct uc_listed *row, struct sock *sk, char *extra) {
  row->flags |= UC_LISTED_SOCKET;
  row->kind = UC_OTHER;
  if (!sk) return;
  __u16 family = sk->__sk_common.skc_family;
  row->family = family;
  if (family == FAMILY_UNIX) {
    struct unix_sock___inq *counted = (void *)sk;
    row->kind = UC_UNIX;
    if (sk->sk_type == TYPE_STREAM) row->state = sk->__sk_common.skc_state;
    row->flags |= UC_LISTED_QUEUES;
    row->recv_queue = row->state != LISTEN && bpf_core_field_exists(counted->inq_len) ? BPF_CORE_READ(counted, inq_len)
                                                                                      : sk->sk_receive_queue.qlen;
    row->extra = unix_name(extra, sk);
    return;
  }
  if (family == FAMILY_NETLINK) row->kind = UC_NETLINK;
  if (family != FAMILY_INET && family != FAMILY_INET6) return;
  row->local_port = local_port_of(sk, sk->__sk_common.skc_num);
  row->peer_port = __builtin_bswap16(sk->__sk_common.skc_dport);
  if (family == FAMILY_INET) {
    row->local = sk->__sk_common.skc_rcv_saddr;
    row->peer = sk->__sk_common.skc_daddr;
  } else {
    BPF_CORE_READ_INTO((__u8(*)[16])extra, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
    BPF_CORE_READ_INTO((__u8(*)[16])(extra + 16), sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
    row->extra = 32;
  }
  if (sk->sk_protocol == PROTOCOL_TCP) list_tcp(row, sk);
  if (sk->sk_protocol == PROTOCOL_UDP) row->kind = UC_UDP;
}

// What rows are read from lies all over memory, and each would wait for four loads, one after the other: of the file, the
// inode, the socket, the connection. Begun some rows ahead they wait side by side (102,000 sockets on one thread: 80 to
// 50 ms). By plain loads only; a helper would wait for each. Those files are not held, so what is read is thrown away.
enum { AHEAD = 8, FAR = 7, NEARER = 3, NEAREST = 1 };
#define FILE_OF(address) ((struct file *)bpf_rdonly_cast((address), bpf_core_type_id_kernel(struct file)))
#define SOCKET_OF(file) ((struct socket *)bpf_rdonly_cast((file)->private_data, bpf_core_type_id_kernel(struct socket)))
#define IS_SOCKET(file) (((file)->f_inode->i_mode & 0170000) == 0140000)
#define TOUCH(place)            \
  ({                            \
    __u64 word_ = (__u64)place; \
    asm volatile("" ::"r"(word_)); \
  })

static __always_inline void touch_ahead(struct task_struct *task, __u32 fd) {
  struct fdtable *table = task->files->fdt;
  struct file *files[AHEAD];
  if (fd + AHEAD >= table->max_fds) return;
  if (bpf_probe_read_kernel(files, sizeof(files), table->fd + fd + 1)) return;
  TOUCH(FILE_OF(files[FAR])->f_inode);
  struct file *nearer = FILE_OF(files[NEARER]);
  TOUCH(nearer->f_inode->i_ino);
  // What other files keep there may be anything, a device's registers too.
  if (IS_SOCKET(nearer)) TOUCH(SOCKET_OF(nearer)->sk);
  struct file *nearest = FILE_OF(files[NEAREST]);
  if (!IS_SOCKET(nearest)) return;
  struct sock *sk = SOCKET_OF(nearest)->sk;
  struct tcp_sock *tcp = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
  TOUCH(sk->__sk_common.skc_family);
  TOUCH(sk->sk_protocol);
  TOUCH(tcp->rcv_nxt);
  TOUCH(tcp->copied_seq);
  TOUCH(tcp->snd_una);
}

struct space {
  struct uc_listed row;
  char extra[112];
};

SEC("iter/task_file")
int list(struct bpf_iter__task_file *ctx) {
  struct task_struct *task = ctx->task;
  struct file *file = ctx->file;
  if (!task || !file) return 0;
  struct task_struct *leader = task->group_leader;
  struct space out = {};
  // Older kernels (seen in 6.1) show the table that threads share once for each of them.
  if (task->pid != task->tgid) {
    if (leader && task->files == leader->files) return 0;
  }
  if (typed_reads) touch_ahead(task, ctx->fd);
  if (!clock_now) {
    jiffies_now = bpf_jiffies64();
    clock_now = bpf_ktime_get_ns();
  }
  out.row.process = task->tgid;
  out.row.thread = task->pid;
  out.row.fd = ctx->fd;
  out.row.inode = file->f_inode->i_ino;
  struct socket *socket = bpf_sock_from_file(file);
  if (socket) {
    list_socket(&out.row, socket->sk, out.extra);
  } else {
    out.row.kind = kind_of_file(file, file->f_inode);
  }
  struct seq_file *seq = ctx->meta->seq;
  bpf_seq_write(seq, &out.row, sizeof(out.row));
  __u64 extra = out.row.extra;
  if (extra > sizeof(out.extra)) return 0;
  asm volatile("" : "+r"(extra));  // else the compiler makes one comparison of both, of another register than it then uses
  if (extra) bpf_seq_write(seq, out.extra, extra);
  return 0;
}
