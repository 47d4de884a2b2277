// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Stacks met again: a service takes the same few ways over and over, and a walk is a function of its registers, of the
// unwinding tables, and of some words of the stack: return addresses, and the saved frame pointers that it went by. A
// walk that notes those can be found again by comparing them, which costs a fraction of the walk, and is exact: where all
// are equal, relative to the stack pointer, the walk would give the same chain. Each CPU has its own, so that nothing is
// read while it changes. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/budget.bpf.h"
// clang-format on

// An index that the verifier sees is in bounds (walker.bpf.h says why).
static __always_inline __u64 check_index(__u64 index) {
  asm volatile("%[index] &= 127" : [index] "+r"(index));
  return index;
}
_Static_assert(UC_CHECKS == 128, "the mask of check_index");

static __always_inline void begin_memo(struct walk *walk, __u32 version, __u32 at_entry) {
  walk->bp_at = 0;
  walk->began_at = walk->sp;
  walk->memo.pc = walk->pc;
  walk->memo.space = walk->space;
  walk->memo.version = version;
  walk->memo.checks = walk->memo.words = 0;
  walk->memo.bp = 0;
  walk->memo.bp_counts = walk->memo.bp_far = 0;
  walk->memo.at_entry = at_entry;
  walk->memo.unfit = (walk->sp & 7) || !version;
}

// The walk rests on the word at `at`: on `value`, or where it is an address on the stack, on its distance.
static __always_inline void rests_on(struct walk *walk, __u64 at, __u64 value, __u32 from_sp) {
  struct memo *memo = &walk->memo;
  __u64 word = (at - walk->began_at) >> 3;
  __u32 next = memo->checks;
  if (next >= UC_CHECKS || word >= UC_TOP_WORDS - 1 || (at & 7)) {
    memo->unfit = 1;
    return;
  }
  if (from_sp) value -= walk->began_at;
  memo->value[check_index(next)] = value;
  memo->at[check_index(next)] = word | from_sp;
  memo->checks = next + 1;
  if (memo->words <= word) memo->words = word + 1;
}

// The walk goes by the frame pointer.
static __always_inline void rests_on_bp(struct walk *walk) {
  if (walk->bp_at) {
    rests_on(walk, walk->bp_at, walk->bp, walk->bp ? FROM_SP : 0);
    return;
  }
  walk->memo.bp_counts = 1;
  walk->memo.bp_far = walk->bp ? 1 : 0;
  walk->memo.bp = walk->bp ? walk->bp - walk->began_at : 0;
}

static __always_inline __u32 memo_set(__u64 pc, __u64 sp) {
  // Goroutines' stacks and threads' both begin at a fixed offset of such a block.
  __u64 hash = (pc ^ (sp & 0x7f8) << 45) * 0x9e3779b97f4a7c15ULL;
  return hash >> 58;
}
_Static_assert(UC_MEMO_SETS == 64, "the shift of memo_set");

// Whether every word that the memo rests on is in the copy of the stack's top. A global function: verified once.
__noinline int same_words(__u32 key, __u64 sp) {
  struct walk *walk = walk_of_cpu();
  struct memo *memo = bpf_map_lookup_elem(&memos, &key);
  if (!walk || !memo) return 0;
  for (__u32 i = 0; i < UC_CHECKS; i++) {
    if (i >= memo->checks) return 1;
    __u64 at = memo->at[i], from = sp & -(at >> 15);
    if (walk->top[at & (UC_TOP_WORDS - 1)] - from != memo->value[i]) return 0;
  }
  return 1;
}

// The hash of the stack that the walk is about to take, where it was taken before; 0: it has to be walked.
static __always_inline __u64 met_again(struct walk *walk, __u32 version, __u32 at_entry) {
  __u32 set = memo_set(walk->pc, walk->sp), have = 0;
#pragma unroll
  for (__u32 way = 0; way < UC_MEMO_WAYS; way++) {
    __u32 key = set * UC_MEMO_WAYS + way;
    struct memo *memo = bpf_map_lookup_elem(&memos, &key);
    if (!memo || memo->pc != walk->pc || memo->version != version || memo->space != walk->space ||
        memo->at_entry != at_entry)
      continue;
    if (memo->bp_counts && walk->bp - (memo->bp_far ? walk->sp : 0) != memo->bp) continue;
    __u32 words = memo->words & (UC_TOP_WORDS - 1);
    if (words > have) {
      if (bpf_probe_read_user(walk->top, words * 8, (void *)walk->sp)) continue;
      have = words;
    }
    if (same_words(key, walk->sp)) return memo->hash;
  }
  return 0;
}

// Keeps the walk that has just ended, at the second time that it was not found.
static __always_inline void keep_memo(struct walk *walk) {
  if (walk->memo.unfit) return;
  __u32 key = memo_set(walk->memo.pc, walk->began_at) * UC_MEMO_WAYS + (walk->hash & (UC_MEMO_WAYS - 1));
  struct memo *memo = bpf_map_lookup_elem(&memos, &key);
  if (!memo) return;
  if (memo->missed != walk->hash) {
    memo->missed = walk->hash;
    return;
  }
  walk->memo.hash = walk->hash;
  walk->memo.missed = walk->hash;
  bpf_probe_read_kernel(memo, sizeof(*memo), &walk->memo);
}
