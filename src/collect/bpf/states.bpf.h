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
// one, unless we have sent since.
static __always_inline __u64 last_heard(struct sock *sk, __u64 now) {
  __u32 ago = (__u32)bpf_jiffies64() - FETCH(struct tcp_sock, sk, rcv_tstamp);
  if (ago >> 31) return now;
  __u64 at = now - (__u64)ago * jiffy_ns;
  return at < now ? at : now;
}

// Whether the handshake was ever answered: until then nothing is known of the peer's numbers (tcp_connect_init).
static __always_inline bool ever_connected(struct sock *sk) { return FETCH(struct tcp_sock, sk, rcv_nxt) != 0; }

// The state as it is now.
static __always_inline void note_state(struct uc_record *record, struct sock *sk, __u64 now) {
  __u8 state = FETCH(struct sock, sk, __sk_common.skc_state), before = record->state;
  if (record->kind == UC_UNIX) {
    record->state = state;
    return;
  }
  bool ended = (state == CLOSE_WAIT || state == LAST_ACK) && !record->peer_closed;
  if (state == before && !ended) return;
  record->state = state;
  record->state_since = now;
  if (state == LISTEN) {
    record->role = UC_ROLE_LISTENER;
    return;
  }
  bool connected = (state == ESTABLISHED || state == CLOSE_WAIT) && record->connect_started && !record->connect_finished;
  if (!connected && !ended) return;
  __u64 heard = last_heard(sk, now);
  if (connected) record->connect_finished = heard;
  if (connected && state == ESTABLISHED) record->state_since = heard;
  if (!ended) return;
  record->peer_closed = heard;
  if (state == CLOSE_WAIT) record->state_since = heard;
}

// What the scan tells of a socket anew.
static __always_inline void refresh(struct uc_record *record, struct uc_row *row, __u64 now) {
  struct sock *sk = sock_of(record);
  if (!sk) return;
  if (!record->peer_port && record->kind != UC_NETLINK) note_ends(record, sk);
  record->keepalive = (BPF_CORE_READ(sk, __sk_common.skc_flags) >> 3) & 1;
  __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
  if (record->kind == UC_TCP) {
    note_state(record, sk, now);
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
      record->peer_closed = now;
  } else {
    row->recv_queue = BPF_CORE_READ(sk, sk_receive_queue.qlen);
  }
}
