// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// How a TCP connection stands. Its state is read where the connection is looked at anyway, at the scan and at its close, and
// not followed: a connection changes it ten times in its life, most of them in the course of its end. When the peer ended its
// side is told by the time of its last segment, which the kernel keeps in jiffies. Only errors have a hook of their own, as
// the application can take them away before the next scan. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/files.bpf.h"
// clang-format on

const volatile __u32 jiffy_ns = 0;   // 0: not known

enum { ESTABLISHED = 1, SYN_SENT = 2, CLOSE = 7, CLOSE_WAIT = 8, LAST_ACK = 9, LISTEN = 10 };
enum { PROTOCOL_TCP = 6 };

// When the last segment of the peer arrived, to a jiffy (tcp_ack sets rcv_tstamp; net/ipv4/tcp_input.c). A FIN is the last
// one, unless we have sent since. Of what is not plain TCP (multipath) the kernel keeps no such time.
static __always_inline __u64 last_heard(struct sock *sk, __u64 now) {
  if (FETCH(struct sock, sk, sk_protocol) != PROTOCOL_TCP) return now;
  __u32 ago = (__u32)bpf_jiffies64() - FETCH(struct tcp_sock, sk, rcv_tstamp);
  if (ago >> 31) return now;
  __u64 at = now - (__u64)ago * jiffy_ns;
  return at < now ? at : now;
}

// Whether the handshake was ever answered: until then nothing is known of the peer's numbers (tcp_connect_init).
static __always_inline bool ever_connected(struct sock *sk) { return FETCH(struct tcp_sock, sk, rcv_nxt) != 0; }

// When the peer ended its side, as far as is known now: the application may have been given the end before.
static __always_inline __u64 end_of_peer(struct uc_record *record, struct sock *sk, __u64 now) {
  __u64 at = last_heard(sk, now);
  if (record->end_seen && !record->end_errno && record->end_seen < at) at = record->end_seen;
  // What came to us already ended has not been held by us before.
  if (!(record->flags & UC_BEFORE_ATTACH) && at < record->opened.at) at = record->opened.at;
  return at;
}

// The state as it is now, of a TCP connection or of a unix socket.
static __always_inline void note_state(struct uc_record *record, struct sock *sk, __u64 now) {
  __u8 state = FETCH(struct sock, sk, __sk_common.skc_state), before = record->state;
  if (state == LISTEN) record->role = UC_ROLE_LISTENER;
  if (record->kind == UC_UNIX) {
    record->state = state;
    return;
  }
  bool ended = (state == CLOSE_WAIT || state == LAST_ACK) && !record->peer_closed;
  if (state == before && !ended) return;
  record->state = state;
  record->state_since = now;
  // Connected in a way that no hook sees.
  bool dialled = before == CLOSE && (state == SYN_SENT || state == ESTABLISHED || state == CLOSE_WAIT);
  if (dialled && !record->connect_started) record->connect_started = now;
  if (dialled && record->role == UC_ROLE_UNKNOWN) record->role = UC_ROLE_CLIENT;
  if ((state == ESTABLISHED || state == CLOSE_WAIT) && record->connect_started && !record->connect_finished) {
    record->connect_finished = last_heard(sk, now);
    if (state == ESTABLISHED) record->state_since = record->connect_finished;
  }
  if (!ended) return;
  record->peer_closed = end_of_peer(record, sk, now);
  if (state == CLOSE_WAIT) record->state_since = record->peer_closed;
}

// Where something is sent or received: only what the next scan could not tell any more.
enum { PEER_ENDED = 1 };   // of sk_shutdown: RCV_SHUTDOWN
static __always_inline void note_state_in_use(struct uc_record *record, struct sock *sk, __u8 shut, __u64 now) {
  if (record->kind != UC_TCP) return;
  if (record->state == SYN_SENT || ((shut & PEER_ENDED) && !record->peer_closed)) note_state(record, sk, now);
}

// What was received without passing a hook, as splice does: told by the kernel's own count, where ours began with the
// connection, and by the time of the last data, to a jiffy (tcp_event_data_recv): a request that followed an answer within
// that jiffy counts as answered. `all`: the kernel's count, read before the queue; `unread`: of the data that came.
enum { UNSEEN_AGE_NS = 1000000000 };
static __always_inline void note_unseen(struct uc_record *record, struct sock *sk, __u64 all, __u32 unread, __u64 now) {
  if ((record->flags & (UC_BEFORE_ATTACH | UC_UNTRACED)) || !jiffy_ns) return;
  if (BPF_CORE_READ(sk, sk_protocol) != PROTOCOL_TCP) return;
  __s64 unseen = all - unread - record->bytes_received;
  if (unseen < 0) unseen = 0;   // counted by a hook a moment ago
  // The peer's FIN is counted as a byte; a reset is not.
  if ((__s32)((__u32)unseen - record->unseen) > 0 && (BPF_CORE_READ(sk, sk_shutdown) & PEER_ENDED)) unseen--;
  bool more = (__s32)((__u32)unseen - record->unseen) > 0;
  record->unseen = unseen;
  if (!more) return;
  if (unread) {
    // The time is that of what lies there; what was taken was taken since the last scan.
    if (now - UNSEEN_AGE_NS > record->last_receive) record->last_receive = now - UNSEEN_AGE_NS;
    return;
  }
  __u32 ago = (__u32)bpf_jiffies64() - BPF_CORE_READ((struct tcp_sock *)sk, inet_conn.icsk_ack.lrcvtime);
  if (ago >> 31) return;
  __u64 at = now - (__u64)ago * jiffy_ns;
  if (at + jiffy_ns < record->last_send) return;
  if (at < record->last_send) at = record->last_send + 1;   // within that jiffy
  if (at <= record->last_receive) return;
  record->last_receive = at;
  record->direction = UC_RECEIVED;
}

// Whether a pipe's other end is closed: nobody has it open any more (pipe_release; a named one may be opened again).
enum { MODE_READS = 1, MODE_WRITES = 2 };   // of f_mode
static __always_inline void note_end_of_pipe(struct uc_record *record, __u64 now) {
  struct file *file = (void *)record->file;
  struct pipe_inode_info *pipe = (void *)record->private_data;
  __u32 mode = BPF_CORE_READ(file, f_mode) & (MODE_READS | MODE_WRITES);
  __u32 others = 1;
  if (mode == MODE_READS) others = BPF_CORE_READ(pipe, writers);
  if (mode == MODE_WRITES) others = BPF_CORE_READ(pipe, readers);
  if (others) record->peer_closed = 0;
  else if (!record->peer_closed) record->peer_closed = now;
}

// What the scan tells of a socket or a pipe anew.
static __always_inline void refresh(struct uc_record *record, struct uc_row *row, __u64 now) {
  if (record->kind == UC_PIPE || record->kind == UC_FIFO) return note_end_of_pipe(record, now);
  struct sock *sk = sock_of(record);
  if (!sk) return;
  if (!record->peer_port && record->kind != UC_NETLINK) note_ends(record, sk);
  record->keepalive = (BPF_CORE_READ(sk, __sk_common.skc_flags) >> 3) & 1;
  __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
  if (record->kind == UC_TCP) {
    note_state(record, sk, now);
    struct tcp_sock *tcp = (void *)sk;
    if (state != LISTEN) {
      __u64 all = BPF_CORE_READ(tcp, bytes_received);
      __u32 unread = BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq);
      // The peer's FIN takes a number of its own.
      if (unread && (BPF_CORE_READ(sk, sk_shutdown) & 1)) unread--;
      bool connected = ever_connected(sk);   // before that, the SYN is no data
      row->recv_queue = connected ? unread : 0;
      row->send_queue = connected ? BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una) : 0;
      note_unseen(record, sk, all, row->recv_queue, now);
      row->unanswered = BPF_CORE_READ(tcp, inet_conn.icsk_retransmits) + BPF_CORE_READ(tcp, inet_conn.icsk_probes_out);
    }
  } else if (record->kind == UC_UNIX) {
    struct unix_sock___inq *counted = (void *)sk;
    if (BPF_CORE_READ(sk, sk_type) == TYPE_STREAM) note_state(record, sk, now);
    row->recv_queue = bpf_core_field_exists(counted->inq_len) ? BPF_CORE_READ(counted, inq_len)
                                                              : BPF_CORE_READ(sk, sk_receive_queue.qlen);
    if (!record->peer_closed && (BPF_CORE_READ(sk, sk_shutdown) & 1) && state == ESTABLISHED)
      record->peer_closed = now;
  } else {
    row->recv_queue = BPF_CORE_READ(sk, sk_receive_queue.qlen);
  }
}
