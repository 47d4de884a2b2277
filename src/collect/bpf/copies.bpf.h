// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Who made the further numbers of a file: dup and its like, and whoever receives them over a unix socket. Kernel side
// only.
#pragma once

#include "collect/bpf/files.bpf.h"
#include "collect/bpf/records.bpf.h"
#include "collect/bpf/walker.bpf.h"

// `record`: null where the file has none, since it came from a process that is no target.
static __always_inline void keep_copy(__u32 fd, struct uc_record *record, struct uc_use *made, __u64 how) {
  struct uc_copy copy = {.generation = record ? record->generation : 0, .how = how, .made = *made};
  __u64 key = bpf_get_current_pid_tgid() >> 32 << 32 | fd;
  bpf_map_update_elem(&copies, &key, &copy, BPF_ANY);
  if (record) record->flags |= UC_COPIED;
}

// include/linux/socket.h
struct message_head {
  __u64 name, name_length, parts, part_count, control, control_length;
};
struct control_head {
  __u64 length;
  __s32 level, type;
};
enum { OF_SOCKETS = 1, WITH_DESCRIPTORS = 1, MOST_DESCRIPTORS = 253, MOST_CONTROLS = 4 };

struct receipt {
  __u64 numbers;   // where they stand in the target's memory
  struct uc_use how;
};

static long receive_one(__u32 index, struct receipt *receipt) {
  __s32 fd = -1;
  if (bpf_probe_read_user(&fd, sizeof(fd), (void *)(receipt->numbers + index * sizeof(fd))) || fd < 0) return 1;
  __u64 file = file_of(fd);
  if (!file) return 0;
  struct uc_record *record = record_of_file(file);
  if (record && !same_file(record)) record = 0;
  keep_copy(fd, record, &receipt->how, UC_COPY_RECEIVED);
  return 0;
}

// Where a message that was received holds numbers, and how many: the kernel has written them. 0: it holds none.
static __always_inline __u64 numbers_in(__u64 message, __u32 *count) {
  struct message_head head;
  if (bpf_probe_read_user(&head, sizeof(head), (void *)message)) return 0;
  __u64 at = head.control, left = head.control_length;
  for (int i = 0; i < MOST_CONTROLS && left >= sizeof(struct control_head); i++) {
    struct control_head control;
    if (bpf_probe_read_user(&control, sizeof(control), (void *)at) || control.length < sizeof(control)) return 0;
    if (control.level == OF_SOCKETS && control.type == WITH_DESCRIPTORS) {
      __u64 many = (control.length - sizeof(control)) / sizeof(__s32);
      *count = many < MOST_DESCRIPTORS ? many : MOST_DESCRIPTORS;
      return at + sizeof(control);
    }
    __u64 size = (control.length + 7) & ~7ULL;
    if (size > left) return 0;
    at += size;
    left -= size;
  }
  return 0;
}

static __always_inline void receive_copies(__u64 message, struct uc_target *target) {
  struct receipt receipt = {};
  __u32 count = 0;
  receipt.numbers = numbers_in(message, &count);
  if (!receipt.numbers) return;
  note_use(&receipt.how, target, bpf_ktime_get_ns());
  bpf_loop(count, receive_one, &receipt, 0);
}
