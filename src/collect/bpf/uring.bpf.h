// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What io_uring opens: no system call of opening tells. The stack is taken when the request is submitted, in the thread that
// asks; at its completion, in whatever thread, the number is known. Direct descriptors are in no table, and are not told
// here. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/files.bpf.h"
// clang-format on

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct io_cqe {
  __s32 res;
};
struct io_kiocb {
  __u8 opcode;
  struct io_cqe cqe;
};
// The part of a request that its opcode lays out; it begins where the request does.
struct io_open {
  __u32 file_slot;
};
struct io_accept {
  __u32 file_slot;
};
struct io_socket {
  __u32 file_slot;
};
#pragma clang attribute pop

enum { URING_ACCEPT = 13, URING_OPENAT = 18, URING_OPENAT2 = 28, URING_SOCKET = 45 };

// Requests under way that will open something: who asked, and where, by the request.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, struct uc_use);
} submitted SEC(".maps");

static __always_inline bool uring_opens(__u8 opcode) {
  return opcode == URING_ACCEPT || opcode == URING_OPENAT || opcode == URING_OPENAT2 || opcode == URING_SOCKET;
}

static __always_inline bool uring_direct(struct io_kiocb *request, __u8 opcode) {
  struct io_open *opening = (void *)request;
  struct io_accept *accepting = (void *)request;
  struct io_socket *making = (void *)request;
  if (opcode == URING_ACCEPT) return bpf_core_field_exists(accepting->file_slot) && BPF_CORE_READ(accepting, file_slot);
  if (opcode == URING_SOCKET) return bpf_core_field_exists(making->file_slot) && BPF_CORE_READ(making, file_slot);
  return bpf_core_field_exists(opening->file_slot) && BPF_CORE_READ(opening, file_slot);
}

static __always_inline void opened(__u32 fd, struct uc_use *how, __u8 role);

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_uring_submit, struct io_kiocb *request) {
  struct uc_target *target = target_of_current();
  if (!target) return 0;
  __u8 opcode = BPF_CORE_READ(request, opcode);
  if (!uring_opens(opcode) || uring_direct(request, opcode)) return 0;
  __u64 key = (__u64)request, now = bpf_ktime_get_ns();
  struct uc_use how = {};
  struct uc_caller caller = {};
  note_actor(&how, target, now, &caller);
  // A thread of the kernel's own that submits (SQPOLL) stands in no code of the user's.
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
  if (regs->ip) note_stack(&how, target, now, 0, &caller);
  bpf_map_update_elem(&submitted, &key, &how, BPF_ANY);
  return 0;
}

SEC("tp_btf/io_uring_complete")
int BPF_PROG(on_uring_complete, void *ring, void *completed) {
  __u64 key = (__u64)completed;
  struct uc_use *found = bpf_map_lookup_elem(&submitted, &key);
  if (!found) return 0;
  struct uc_use how = *found;
  bpf_map_delete_elem(&submitted, &key);
  struct io_kiocb *request = completed;
  __s32 fd = BPF_CORE_READ(request, cqe.res);
  if (fd < 0 || !target_of_current()) return 0;
  how.at = bpf_ktime_get_ns();
  opened(fd, &how, BPF_CORE_READ(request, opcode) == URING_ACCEPT ? UC_ROLE_SERVER : 0);
  return 0;
}
