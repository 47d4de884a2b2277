// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The stack budget: how much of one core's time all stacks together may take. Below it every stack is taken. Beyond it
// each site has its first stacks of a second and one in 2^pressure of the rest, so that a rare path is never crowded out
// by a busy one; a site that the user side watches has all of them. A site is told before the walk, by what is cheap to
// read: the depth of the stack, the pc and the word at its top; two paths may share one. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/maps.bpf.h"
// clang-format on

const volatile __u64 budget_ns = 0;   // of each second, over all CPUs; 0: no bound

enum {
  BUDGET_SECOND_NS = 1000000000,
  BUDGET_TIGHTEN_NS = 10000000,
  BUDGET_LOOSEN_NS = 100000000,
  BUDGET_FIRST = 8,
  BUDGET_MOST_PRESSURE = 14,
};

// Earns what the time since the last step is worth, and tightens or loosens the sampling. What is left stays within a
// second's worth on either side. Any CPU may do it; one does.
static __always_inline void refill_budget(__u64 now) {
  __u64 before = budget.refilled;
  if (now - before < BUDGET_TIGHTEN_NS) return;
  if (__sync_val_compare_and_swap(&budget.refilled, before, now) != before) return;
  __u64 elapsed = now - before;
  if (elapsed > BUDGET_SECOND_NS) elapsed = BUDGET_SECOND_NS;
  __s64 most = budget_ns, quarter = budget_ns / 4, left = budget.left;
  __s64 change = elapsed * (budget_ns / 1000) / 1000000;
  if (left + change > most) change = most - left;
  if (left + change < -most) change = -most - left;
  __sync_fetch_and_add(&budget.left, change);
  if (left < 0 && left < budget.left_before) {
    if (budget.pressure < BUDGET_MOST_PRESSURE) budget.pressure++;
    budget.changed = now;
  } else if (left > quarter && budget.pressure && now - budget.changed > BUDGET_LOOSEN_NS) {
    budget.pressure--;
    budget.changed = now;
  }
  budget.left_before = left;
}

static __always_inline void charge_budget(__u64 spent) {
  if (budget_ns) __sync_fetch_and_add(&budget.left, -(__s64)spent);
}

// The site that the current task stands at; never 0. Goroutines tell their depth from the top of their stack, threads
// from the page: their stacks begin at the same offset of one.
static __always_inline __u16 site_of_current(struct uc_target *target, struct pt_regs *regs) {
  struct task_struct *task = bpf_get_current_task_btf();
  __u64 sp = regs->sp, depth = sp & 0xffff, word = 0, g = 0, top = 0;
  bpf_probe_read_user(&word, 8, (void *)sp);
  if ((target->flags & UC_TARGET_GO) && target->g_tls_offset &&
      !bpf_probe_read_user(&g, 8, (void *)(task->thread.fsbase + (__s64)target->g_tls_offset)) && g &&
      !bpf_probe_read_user(&top, 8, (void *)(g + 8)) && top > sp)
    depth = top - sp;
  __u64 hash = (regs->ip ^ (word << 17) ^ (depth << 34)) * 0x9e3779b97f4a7c15ULL;
  __u16 site = (hash >> 40) & (UC_SITES - 1);
  return site ? site : 1;
}

// Whether the stack of `site` is to be taken now.
static __always_inline bool within_budget(__u16 site, __u64 now) {
  __u32 key = site & (UC_SITES - 1);
  struct uc_site *known = bpf_map_lookup_elem(&sites, &key);
  if (!known || known->watched) return true;
  if (now - known->second > BUDGET_SECOND_NS) {
    known->second = now;
    known->seen = 0;
  }
  __u32 seen = known->seen++;
  __s64 half = budget_ns / 2;
  bool in_debt = budget.left < -half;
  if (seen < (in_debt ? 1 : BUDGET_FIRST)) return true;
  return !in_debt && !(seen & ((1U << (budget.pressure & 15)) - 1));
}
