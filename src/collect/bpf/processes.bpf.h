// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Processes and threads as they come, turn into other programs, and end. Kernel side only.
#pragma once

#include "collect/bpf/files.bpf.h"

// In the context of whoever makes the thread.
static __always_inline void note_thread(struct task_struct *child, struct uc_target *target) {
  struct walk *walk = walk_of_cpu();
  __u64 *made = bpf_task_storage_get(&thread_starts, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!walk || !made) return;
  walk->alone = 1;
  struct uc_caller caller = {};
  // libc's clone has pushed nothing at its system call, and no unwinding rows there: as at a function's entry.
  *made = take_stack(target, bpf_ktime_get_ns(), 1, &caller);
  walk->alone = 0;
}

// A child of a target is a target before it runs its first instruction.
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child) {
  __u32 old = parent->tgid, new = child->tgid;
  struct uc_target *target = bpf_map_lookup_elem(&targets, &old);
  if (!target) return 0;
  if (old == new) {
    if (!(target->flags & UC_TARGET_GO)) note_thread(child, target);
    return 0;
  }
  struct uc_target copy = *target;
  if (bpf_map_update_elem(&targets, &new, &copy, BPF_ANY)) {
    count(UC_LOST_TARGETS, 1);
    return 0;
  }
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

struct leaving {
  struct file **fd;
  unsigned long *open;
  __u64 at;
  __u32 tgid;
};

// One word of the bits that say which numbers are taken.
static long leave_word(__u32 index, struct leaving *table) {
  enum { BITS = 64 };
  unsigned long taken = 0;
  bpf_probe_read_kernel(&taken, sizeof(taken), table->open + index);
  for (__u32 bit = 0; taken && bit < BITS; bit++) {
    if (!(taken >> bit & 1)) continue;
    struct uc_event_left event = {.type = UC_EVENT_LEFT, .tgid = table->tgid, .at = table->at};
    event.fd = index * BITS + bit;
    bpf_probe_read_kernel(&event.file, sizeof(event.file), table->fd + event.fd);
    struct uc_record *record = event.file ? record_of_file(event.file) : 0;
    if (!record) continue;
    event.generation = record->generation;
    if (bpf_ringbuf_output(&ring, &event, sizeof(event), BPF_RB_NO_WAKEUP)) count(UC_LOST_RING, 1);
  }
  return 0;
}

// The last thread of a process ends; its table is whole still, and will be closed without system calls.
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task) {
  __u32 tgid = task->tgid;
  if (!bpf_map_lookup_elem(&targets, &tgid)) return 0;
  struct signal_struct *group = task->signal;
  struct files_struct *files = task->files;
  if (!group || group->live.counter || !files) return 0;
  struct fdtable *fds = files->fdt;
  if (!fds) return 0;
  struct leaving table = {.fd = fds->fd, .open = fds->open_fds, .at = bpf_ktime_get_ns(), .tgid = tgid};
  bpf_loop((fds->max_fds + 63) / 64, leave_word, &table, 0);
  return 0;
}
