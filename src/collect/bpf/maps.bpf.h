// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The maps of the kernel side and their counters. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/kernel_types.h"

#include <bpf/bpf_helpers.h>

#include "collect/bpf/descriptors_intf.h"
// clang-format on

_Static_assert(sizeof(struct uc_record) <= UC_RECORD_BYTES, "a record fits its share of memory");

const volatile __u64 unasked_gap_ns = 250000000;
const volatile __u32 closer_every = 16;      // closing stacks: the first 32 of a site, then one in so many

bool baseline = false;      // the running scan is the first of its process
__u64 unplaced = 0;         // descriptors of the running scan that found no place among the records

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 262144);
  __type(key, __u64);
  __type(value, struct uc_handed);
} handed SEC(".maps");

// The oldest give way: a number that was closed is not taken out.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, struct uc_copy);
} copies SEC(".maps");

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

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, UC_HANDOUTS);
  __type(key, __u32);
  __type(value, struct uc_handout);
} handouts SEC(".maps");

// Sites of the stack budget, by number.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, UC_SITES);
  __type(key, __u32);
  __type(value, struct uc_site);
} sites SEC(".maps");

struct uc_budget budget = {};
__u32 closes_elsewhere = 0;   // of connections whose opening stack is not in the table

// Who calls, as a stack needs it.
struct uc_caller {
  __u64 started;   // where the goroutine was started: the address behind the go statement; 0: not known
  __u16 site;      // 0, or where the budget had to choose, the site that it chose by
};

// For each thread of a target that is no Go program: the stack under which it was made.
struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} thread_starts SEC(".maps");

// A walk as it can be found again (again.bpf.h): what it began from, and every word of the stack that it rests on.
enum { UC_CHECKS = 128, UC_TOP_WORDS = 512, UC_MEMO_SETS = 64, UC_MEMO_WAYS = 2 };
enum { FROM_SP = 0x8000 };   // in `at`: the value is told as a distance from where the stack pointer stood
struct memo {
  __u64 pc, hash;
  __u64 bp;               // as a distance from sp, where it was not 0
  __u64 missed;           // hash of the last walk that was not found here
  __u32 space, version;   // version 0: empty
  __u16 checks, words;    // words from sp up to the last that is checked
  __u8 bp_counts, bp_far, at_entry, unfit;
  __u64 value[UC_CHECKS];
  __u16 at[UC_CHECKS];    // in words from sp
};

enum { UC_PIECE = 128 };
struct walk {
  __u32 busy, space, range;
  __u32 alone;   // the stack is that of a starter: who started that one is not asked
  __u64 pc, sp, bp, hash;
  __u64 bp_at;               // where on the stack bp was read; 0: nowhere, it is still the register
  __u64 began_at;            // the stack pointer at the beginning
  __u64 piece_at;            // where in the target the piece of its stack begins
  __u64 piece[UC_PIECE];
  __u64 top[UC_TOP_WORDS];   // of the stack, to be compared
  struct memo memo;          // of this walk
  struct uc_stack stack;
  struct uc_record record;
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct walk);
} walks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, UC_MEMO_SETS * UC_MEMO_WAYS);
  __type(key, __u32);
  __type(value, struct memo);
} memos SEC(".maps");

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
