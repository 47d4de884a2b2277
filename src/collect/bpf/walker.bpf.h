// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The walker: the stack of the current task in user mode, by the rows of unwinding tables where code
// keeps no frame pointers and by rbp where it does, interned under a hash of its addresses. What it cannot step is marked, or sent as a copy for the user side to walk. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/again.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
// clang-format on

// An index that the verifier sees is in bounds: clang knows that it is, leaves the mask out, and older
// verifiers (seen in 6.1) do not follow its proof.
static __always_inline __u64 range_index(__u64 index) {
  asm volatile("%[index] &= 255" : [index] "+r"(index));
  return index;
}
_Static_assert(UC_MAX_RANGES == 256, "the mask of range_index");

// Finds the mapping of `pc` in the address space of the walk: its index, or UC_MAX_RANGES.
static __always_inline __u32 find_range(struct uc_space *space, __u64 pc) {
  __u32 low = 0;
#pragma unroll
  for (int i = 7; i >= 0; i--) {
    __u32 step = 1U << i;
    __u64 start = space->range[range_index(low + step)].start;
    // Branch-free: a branch here doubles the paths that the verifier walks.
    low += step & ~(__u32)((__s64)(pc - start) >> 63);
  }
  __u64 found = range_index(low);
  if (pc < space->range[found].start || pc >= space->range[found].end) return UC_MAX_RANGES;
  return found;
}

// The unwind row of `offset` from the table's base; 0 (the end type) when there is none.
static __always_inline __u64 find_row(struct uc_range *range, __u32 offset) {
  __u32 block = offset >> UC_BLOCK_SHIFT;
  if (block >= range->blocks) return 0;
  block += range->first_block;
  __u64 *entry = bpf_map_lookup_elem(&blocks, &block);
  if (!entry) return 0;
  __u32 low = (__u32)*entry, high = *entry >> 32;
#pragma unroll
  for (int i = 6; i >= 0; i--) {
    __u32 step = 1U << i, at = low + step - 1;
    __u64 *row = bpf_map_lookup_elem(&rows, &at);
    if (!row) continue;
    __s64 behind = (__s64)offset - (__s64)(__u32)*row;   // < 0: the row begins behind the pc
    __s64 inside = (__s64)at - (__s64)high;              // < 0: the row is in this block
    low += step & (__u32)(~(behind >> 63) & (inside >> 63));
  }
  if (low <= range->first_row) return 0;
  low--;
  __u64 *row = bpf_map_lookup_elem(&rows, &low);
  return row ? *row : 0;
}

enum { PIECE_NOWHERE = -1 };

// An index that the verifier sees is in bounds of the piece.
static __always_inline __u64 piece_index(__u64 index) {
  asm volatile("%[index] &= 127" : [index] "+r"(index));
  return index;
}
_Static_assert(UC_PIECE == 128, "the mask of piece_index");

// Two words of the target's stack, at `at` and at `second`, both at or above `from`. One read of a piece costs little
// more than one of a word, and most of a stack's frames are near each other.
static __always_inline int two_words(struct walk *walk, __u64 from, __u64 at, __u64 second, __u64 *value,
                                     __u64 *second_value) {
  __u64 index = (at - walk->piece_at) >> 3, second_index = (second - walk->piece_at) >> 3;
  if (index >= UC_PIECE || second_index >= UC_PIECE) {
    walk->piece_at = PIECE_NOWHERE;
    if (!bpf_probe_read_user(walk->piece, sizeof(walk->piece), (void *)from)) walk->piece_at = from;
    index = (at - walk->piece_at) >> 3;
    second_index = (second - walk->piece_at) >> 3;
  }
  if (index < UC_PIECE && second_index < UC_PIECE && !((at | second | walk->piece_at) & 7)) {
    *value = walk->piece[piece_index(index)];
    *second_value = walk->piece[piece_index(second_index)];
    return 0;
  }
  return bpf_probe_read_user(value, 8, (void *)at) || bpf_probe_read_user(second_value, 8, (void *)second);
}

static __always_inline int step_frame_pointer(struct walk *walk) {
  __u64 bp = walk->bp, next, caller;
  rests_on_bp(walk);
  if (!bp) return UC_COMPLETE;
  if (two_words(walk, bp, bp, bp + 8, &next, &caller)) return UC_UNREADABLE;
  rests_on(walk, bp + 8, caller, 0);
  walk->bp_at = bp;
  if (!caller) return UC_COMPLETE;
  walk->sp = bp + 16;
  walk->bp = next;
  walk->pc = caller;
  return -1;
}

static __always_inline int step_signal(struct walk *walk) {
  // struct rt_sigframe after the handler popped its return address: the ucontext begins at rsp; gregs rbp, rsp, rip.
  __u64 bp, sp, pc;
  if (bpf_probe_read_user(&bp, 8, (void *)(walk->sp + 120))) return UC_UNREADABLE;
  if (bpf_probe_read_user(&sp, 8, (void *)(walk->sp + 160))) return UC_UNREADABLE;
  if (bpf_probe_read_user(&pc, 8, (void *)(walk->sp + 168))) return UC_UNREADABLE;
  walk->memo.unfit = 1;
  walk->bp = bp;
  walk->sp = sp;
  walk->pc = pc + 1;   // an interrupted pc, not a return address
  return -1;
}

enum { ROW_END, ROW_RSP, ROW_RBP, ROW_PLT, ROW_EXPRESSION, ROW_FRAME_POINTER, ROW_SIGNAL, ROW_RBP_DEREF };

static __always_inline int step_row(struct walk *walk, __u64 row, __u32 offset) {
  __u32 type = row >> 56, rbp = (row >> 48) & 255, cfa_units = (row >> 32) & 0xffff;
  __u64 cfa, value;
  if (type == ROW_RSP) {
    cfa = walk->sp + cfa_units * 8;
  } else if (type == ROW_RBP) {
    rests_on_bp(walk);
    cfa = walk->bp + cfa_units * 8;
  } else if (type == ROW_FRAME_POINTER) {
    return step_frame_pointer(walk);
  } else if (type == ROW_PLT) {
    cfa = walk->sp + 8 + ((offset & 15) >= 11 ? 8 : 0);
  } else if (type == ROW_RBP_DEREF) {
    walk->memo.unfit = 1;
    if (bpf_probe_read_user(&cfa, 8, (void *)(walk->bp + (__s64)(__s16)cfa_units * 8))) return UC_UNREADABLE;
  } else if (type == ROW_SIGNAL) {
    return step_signal(walk);
  } else {
    return type == ROW_END ? UC_NO_TABLE : UC_EXPRESSION;
  }
  // Where rbp was saved, or a word that is read for nothing.
  bool saved = type == ROW_RBP_DEREF || (rbp && rbp != 255);
  __u64 at = type == ROW_RBP_DEREF ? walk->bp : saved ? cfa - rbp * 8 : cfa - 8;
  if (two_words(walk, walk->sp < at ? walk->sp : at, cfa - 8, at, &walk->pc, &value)) return UC_UNREADABLE;
  rests_on(walk, cfa - 8, walk->pc, 0);
  if (saved) {
    walk->bp = value;
    walk->bp_at = at;
  }
  walk->sp = cfa;
  return walk->pc ? -1 : UC_COMPLETE;
}

static __always_inline __u64 first_hash(struct walk *walk) { return 0x9e3779b97f4a7c15ULL + walk->space; }
static __always_inline __u64 mix(__u64 hash, __u64 pc) {
  hash = (hash ^ pc) * 0xff51afd7ed558ccdULL;
  return hash ^ hash >> 32;
}

// One frame: notes the pc and steps to the caller. Answers -1 to go on, else why the walk ends (enum uc_stop).
// A global function, so that the verifier walks it once and not for every caller.
__noinline int walk_step(__u32 index) {
  struct walk *walk = walk_of_cpu();
  if (!walk) return UC_UNREADABLE;
  if (index >= UC_MAX_FRAMES) return UC_DEPTH;
  __u64 pc = walk->pc;
  walk->stack.pcs[index] = pc;
  walk->stack.frames = index + 1;
  walk->hash = mix(walk->hash, pc);
  __u64 at = index ? pc - 1 : pc;
  __u32 key = walk->space;
  struct uc_space *space = bpf_map_lookup_elem(&spaces, &key);
  if (!space) return UC_UNMAPPED;
  __u32 found = walk->range;
  if (found >= UC_MAX_RANGES || at < space->range[found].start || at >= space->range[found].end) {
    found = find_range(space, at);
    if (found >= UC_MAX_RANGES) return UC_UNMAPPED;
    walk->range = found;
  }
  struct uc_range *range = &space->range[found];
  if (range->kind == UC_RANGE_FRAME_POINTER) return step_frame_pointer(walk);
  __u32 offset = (__u32)(at - range->base);
  __u64 row = find_row(range, offset);
  // The end type: an outermost frame (_start, clone) says so, a hole between functions does not.
  if ((row >> 56) == ROW_END) return ((row >> 32) & 0xffff) == 1 ? UC_COMPLETE : UC_NO_TABLE;
  return step_row(walk, row, offset);
}

struct loop {
  int stop;
};
static long walk_loop(__u32 index, struct loop *loop) {
  // Frame 0 was taken by the caller when it had no frame of its own.
  int stop = walk_step(index);
  loop->stop = stop;
  return stop >= 0;
}
static long walk_loop_rest(__u32 index, struct loop *loop) {
  int stop = walk_step(index + 1);
  loop->stop = stop;
  return stop >= 0;
}

static __always_inline bool frameless(struct uc_target *target, __u64 pc) {
  for (__u32 i = 0; i < UC_FRAMELESS; i++) {
    if (i >= target->frameless) return false;
    if (pc >= target->frameless_range[i][0] && pc < target->frameless_range[i][1]) return true;
  }
  return false;
}

// Answers how many bytes were copied: all or none.
static __always_inline __u32 copy_stack(struct uc_event_stack *event, __u32 size, __u64 sp) {
  // The bound in a form that every verifier follows.
  asm volatile("%[size] &= 8191" : [size] "+r"(size));
  if (size > UC_STACK_COPY || bpf_probe_read_user(event->bytes, size, (void *)sp)) return 0;
  return size;
}

// Sends a copy of the stack's top for the user side to walk, and answers the id under which it will be known.
static __always_inline __u64 defer(struct pt_regs *regs) {
  struct uc_event_stack *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) {
    count(UC_LOST_DEFERRED, 1);
    return 0;
  }
  event->type = UC_EVENT_STACK;
  event->tgid = bpf_get_current_pid_tgid() >> 32;
  event->id = (1ULL << 63) | bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 255);
  event->pc = regs->ip;
  event->sp = regs->sp;
  event->bp = regs->bp;
  // The copy fails as a whole where it runs over the stack's end, which is the end of a page: of the next one, or of
  // this one.
  __u64 page_left = 4096 - (regs->sp & 4095);
  event->size = copy_stack(event, UC_STACK_COPY, regs->sp);
  if (!event->size && page_left + 4096 < UC_STACK_COPY) event->size = copy_stack(event, page_left + 4096, regs->sp);
  if (!event->size) event->size = copy_stack(event, page_left, regs->sp);
  event->reserved = 0;
  __u64 id = event->id;
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  return id;
}

static __always_inline void note_start(struct walk *walk, struct uc_target *target, __u64 started) {
  __u64 *made = 0;
  walk->stack.started = 0;
  walk->stack.start = UC_START_UNKNOWN;
  if (walk->alone) return;
  if (target->flags & UC_TARGET_GO) {
    walk->stack.started = started;
    walk->stack.start = UC_START_ADDRESS;
  } else {
    made = bpf_task_storage_get(&thread_starts, bpf_get_current_task_btf(), 0, 0);
    if (made) {
      walk->stack.started = *made;
      walk->stack.start = UC_START_STACK;
    }
  }
  walk->hash = mix(walk->hash, walk->stack.started);
}

static __always_inline __u64 id_of(struct walk *walk) {
  __u64 id = walk->hash & ~(1ULL << 63);
  return id ? id : 1;
}

static __always_inline __u64 intern(struct walk *walk) {
  __u64 id = id_of(walk);
  if (bpf_map_lookup_elem(&stacks, &id)) return id;
  walk->stack.closes = 0;
  walk->stack.space = walk->space;
  if (bpf_map_update_elem(&stacks, &id, &walk->stack, BPF_NOEXIST)) {
    if (bpf_map_lookup_elem(&stacks, &id)) return id;
    count(UC_LOST_STACKS, 1);
    return 0;
  }
  count(UC_STACKS_MADE, 1);
  return id;
}

// The id of a stack that was walked before and is still in the table; 0: it has to be walked.
static __always_inline __u64 known_stack(struct walk *walk, struct uc_target *target, __u32 version, __u32 at_entry,
                                         __u64 started) {
  walk->hash = version ? met_again(walk, version, at_entry) : 0;
  if (!walk->hash) return 0;
  note_start(walk, target, started);
  __u64 id = id_of(walk);
  if (!bpf_map_lookup_elem(&stacks, &id)) return 0;
  return id;
}

static __always_inline int step_all(struct walk *walk, bool without_frame) {
  struct loop loop = {.stop = UC_DEPTH};
  __u64 caller;
  if (without_frame && !bpf_probe_read_user(&caller, 8, (void *)walk->sp)) {
    rests_on(walk, walk->sp, caller, 0);
    walk->stack.pcs[0] = walk->pc;
    walk->stack.frames = 1;
    walk->pc = caller;
    walk->sp += 8;
    bpf_loop(UC_MAX_FRAMES, walk_loop_rest, &loop, 0);
  } else {
    bpf_loop(UC_MAX_FRAMES, walk_loop, &loop, 0);
  }
  return loop.stop < 0 ? UC_DEPTH : loop.stop;
}

static __always_inline __u64 walk_stack(struct walk *walk, struct uc_target *target, struct pt_regs *regs,
                                        __u32 at_entry, __u64 started) {
  walk->space = target->space;
  walk->pc = regs->ip;
  walk->sp = regs->sp;
  walk->bp = regs->bp;
  struct uc_space *space = bpf_map_lookup_elem(&spaces, &walk->space);
  __u32 version = space ? space->version : 0;
  __u64 known = known_stack(walk, target, version, at_entry, started);
  if (known) return known;
  walk->range = UC_MAX_RANGES;
  walk->piece_at = PIECE_NOWHERE;
  walk->hash = first_hash(walk);
  walk->stack.frames = 0;
  begin_memo(walk, version, at_entry);
  int stop = step_all(walk, at_entry || frameless(target, regs->ip));
  bool copy = stop == UC_UNMAPPED || stop == UC_EXPRESSION;
  // Newly mapped code, code without a file, or a frame that only a DWARF expression tells: the user
  // side walks a copy.
  if (copy && walk->stack.frames <= 24 && !at_entry) return defer(regs);
  if (stop == UC_UNREADABLE && walk->stack.frames <= 1) {
    count(UC_LOST_UNREADABLE, 1);
    return 0;
  }
  if (!copy && stop != UC_UNREADABLE) keep_memo(walk);
  note_start(walk, target, started);
  walk->stack.stop = stop == UC_UNMAPPED ? UC_NO_TABLE : stop;
  return intern(walk);
}

// The stack of the current task in user mode, interned; 0 when none was taken (counted by reason). `now`: when the hook
// began, for the bill. `at_entry`: it stands in a function that has set up no frame yet, its return address at *(rsp).
// A global function: verified once.
__noinline __u64 take_stack(struct uc_target *target, __u64 now, __u32 at_entry, struct uc_caller *caller) {
  struct walk *walk = walk_of_cpu();
  if (!walk || !target || !caller) return 0;
  caller->site = 0;
  if (target->flags & UC_TARGET_NO_STACKS) return 0;
  if (walk->busy) {
    count(UC_LOST_NESTED, 1);
    return 0;
  }
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
  if (budget_ns) {
    refill_budget(now);
    if (budget.pressure) {
      caller->site = site_of_current(target, regs);
      if (!within_budget(caller->site, now)) {
        count(UC_STACKS_SAMPLED_OUT, 1);
        return 0;
      }
    }
  }
  __u64 id = 0;
  if (target->flags & UC_TARGET_UNMAPPED) {
    id = at_entry ? 0 : defer(regs);
  } else {
    walk->busy = 1;
    id = walk_stack(walk, target, regs, at_entry, caller->started);
    walk->busy = 0;
  }
  __u64 spent = bpf_ktime_get_ns() - now;
  charge_budget(spent);
  count(UC_STACKS_TAKEN, 1);
  count(UC_STACK_NS, spent);
  return id;
}

// What is read of a goroutine in one go: its id, and where it was started, which lies within 18 words of it in every
// release (symbolize/go_binary.cc).
enum { G_WORDS = 19 };

static __always_inline void note_actor(struct uc_use *use, struct uc_target *target, __u64 now, struct uc_caller *caller) {
  use->at = now;
  use->thread = (__u32)bpf_get_current_pid_tgid();
  use->goroutine = 0;
  if (!(target->flags & UC_TARGET_GO)) return;
  struct task_struct *task = bpf_get_current_task_btf();
  __u64 g = 0, words[G_WORDS];
  if (bpf_probe_read_user(&g, 8, (void *)(task->thread.fsbase + (__s64)target->g_tls_offset)) || !g) return;
  if (bpf_probe_read_user(words, sizeof(words), (void *)(g + target->goid_offset))) return;
  use->goroutine = words[0];
  __u32 started = (target->gopc_offset - target->goid_offset) >> 3;
  if (target->gopc_offset && started < G_WORDS) caller->started = words[started];
}

// Notes a stack taken now, of whom note_actor told.
static __always_inline void note_stack(struct uc_use *use, struct uc_target *target, __u64 now, __u32 at_entry,
                                       struct uc_caller *caller) {
  use->stack = take_stack(target, now, at_entry, caller);
  use->site = caller->site;
}

// Both: who does something now, and the stack.
static __always_inline void note_use(struct uc_use *use, struct uc_target *target, __u64 now) {
  struct uc_caller caller = {};
  note_actor(use, target, now, &caller);
  note_stack(use, target, now, 0, &caller);
}
