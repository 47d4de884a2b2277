// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Hand-outs: what a probe at the entry of a library's function does, where that function gives a connection to its
// caller or takes it back (handout_probes.h). Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/files.bpf.h"
// clang-format on

// Puts a use before the last ones with other stacks.
static __always_inline void remember(struct uc_use *slot, struct uc_use *use) {
  __u32 times = 1;
  if (slot[0].stack == use->stack && slot[0].at) {
    times += slot[0].times;
  } else {
    if (slot[1].stack == use->stack && slot[1].at) {
      times += slot[1].times;
    } else {
      if (slot[2].stack == use->stack && slot[2].at) times += slot[2].times;
      slot[2] = slot[1];
    }
    slot[1] = slot[0];
  }
  slot[0] = *use;
  slot[0].times = times < 65535 ? times : 65535;
}

// No answer can come back within this time, so that a second request would be made.
enum { regrown_ns = 20000 };

// The socket that a path of steps from `at` leads to. Whatever lies there is the target's: only a number that is an open
// socket of this process counts.
static __noinline struct uc_record *record_along(struct uc_handout_path *path, __u64 at) {
  __u32 fd = 0;
  bool read = false;
#pragma unroll
  for (int i = 0; i < UC_HANDOUT_STEPS; i++) {
    if (i + 1 < path->steps) {
      if (bpf_probe_read_user(&at, 8, (void *)(at + path->offset[i]))) return 0;
    } else if (i + 1 == path->steps) {
      if (bpf_probe_read_user(&fd, 4, (void *)(at + path->offset[i]))) return 0;
      read = true;
    }
  }
  __u64 file = read ? file_of(fd) : 0;
  if (!file) return 0;
  struct uc_record *record = record_of_file(file);
  return record && (record->kind == UC_TCP || record->kind == UC_UNIX) ? record : 0;
}

static __always_inline struct uc_record *record_of_receiver(struct uc_handout *handout, __u64 receiver) {
  struct uc_record *record = 0;
#pragma unroll
  for (int i = 0; i < UC_HANDOUT_PATHS; i++) {
    if (!record && i < handout->paths) record = record_along(&handout->path[i], receiver);
  }
  return record;
}

// Where what is told of this connection goes; made at the first time.
static __always_inline struct uc_handed *handed_for(struct uc_record *record) {
  struct uc_handed *known = handed_of(record);
  if (known) return known;
  struct uc_handed fresh = {.generation = record->generation};
  __u64 key = record->file;
  if (bpf_map_update_elem(&handed, &key, &fresh, BPF_ANY)) return 0;
  record->flags |= UC_HANDED;
  return handed_of(record);
}

static __always_inline void handed_out(struct uc_handed *known, struct uc_use *use) {
  // Before Go 1.21 the probed instruction runs once more where the stack has to grow.
  struct uc_use *last = &known->borrowed[0];
  if (last->stack == use->stack && last->goroutine == use->goroutine && use->at - last->at < regrown_ns) return;
  remember(known->borrowed, use);
}

static __always_inline void handed_back(struct uc_handed *known, struct uc_use *use) {
  if (!use->stack) use->stack = known->returned.stack;
  known->returned = *use;
}

// At the entry of a function of the table: attached by need, to the instruction that the user side found to be
// emulated, before the function has a frame of its own.
SEC("uprobe")
int on_handout(struct pt_regs *ctx) {
  struct uc_target *target = target_of_current();
  if (!target || (target->flags & UC_TARGET_FAULTED)) return 0;
  __u32 index = bpf_get_attach_cookie(ctx);
  struct uc_handout *handout = bpf_map_lookup_elem(&handouts, &index);
  if (!handout) return 0;
  bool gives = handout->use == UC_GIVES;
  if (gives) count(UC_HANDOUT_CALLS, 1);
  struct uc_record *record = record_of_receiver(handout, ctx->ax);
  if (!record) {
    // What is handed back may be closed by then.
    if (gives) count(UC_HANDOUT_MISSED, 1);
    return 0;
  }
  handout->noted++;
  struct uc_use use = {};
  struct uc_caller caller = {};
  note_actor(&use, target, bpf_ktime_get_ns(), &caller);
  if (gives || handout->noted <= UC_HANDBACKS) note_stack(&use, target, use.at, 1, &caller);
  struct uc_handed *known = handed_for(record);
  if (!known) return 0;
  if (gives) {
    handed_out(known, &use);
  } else {
    handed_back(known, &use);
  }
  return 0;
}

enum { SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGSEGV = 11 };

// While a probe is in place: a target that takes a fault has none from then on, whoever is to blame for it. In the
// context of the task that the signal is for.
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int signal) {
  if (signal != SIGSEGV && signal != SIGILL && signal != SIGTRAP && signal != SIGBUS) return 0;
  struct uc_target *target = target_of_current();
  if (!target || (target->flags & UC_TARGET_FAULTED)) return 0;
  target->flags |= UC_TARGET_FAULTED;
  tell_process(UC_EVENT_FAULT, bpf_get_current_pid_tgid() >> 32, signal);
  return 0;
}
