// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Where records are kept, by the address of their struct file. The first few thousand have memory of their own from the
// beginning; the others, memory from the kernel's allocator, which costs a burst of openings three times as much, but
// nothing where it is not needed. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/maps.bpf.h"
// clang-format on

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, struct uc_record);
} objects SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 245760);
  __type(key, __u64);
  __type(value, struct uc_record);
} more_objects SEC(".maps");

__u64 beyond = 0;   // records in more_objects, or about to be

static __always_inline struct uc_record *record_of_file(__u64 file) {
  struct uc_record *record = bpf_map_lookup_elem(&objects, &file);
  if (record || !beyond) return record;
  return bpf_map_lookup_elem(&more_objects, &file);
}

// Answers false where the file has a record already, or there is no place for another.
static __always_inline bool keep_record(__u64 file, struct uc_record *record) {
  enum { NO_PLACE = 7 };
  if (beyond && bpf_map_lookup_elem(&more_objects, &file)) return false;
  long failed = bpf_map_update_elem(&objects, &file, record, BPF_NOEXIST);
  if (!failed) return true;
  if (failed != -NO_PLACE) return false;
  // Counted first: whoever looks for it must not miss it.
  __sync_fetch_and_add(&beyond, 1);
  if (!bpf_map_update_elem(&more_objects, &file, record, BPF_NOEXIST)) return true;
  __sync_fetch_and_add(&beyond, -1);
  return false;
}

// Answers whether there was one.
static __always_inline bool drop_record(__u64 file) {
  if (!bpf_map_delete_elem(&objects, &file)) return true;
  if (!beyond || bpf_map_delete_elem(&more_objects, &file)) return false;
  __sync_fetch_and_add(&beyond, -1);
  return true;
}
