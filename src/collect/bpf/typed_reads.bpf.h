// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Reads of the kernel's objects by plain loads, where the kernel lets a program say of what type a pointer is: a load at a
// bad address gives 0, as the helper does that is called elsewhere at some 20 ns a read. Kernel side only.
#pragma once

// clang-format off: libbpf needs the types before its headers
#include "collect/bpf/kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
// clang-format on

const volatile bool typed_reads = false;

void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

// The field of an object of the kernel at `address`. The address is taken first: within the macro of libbpf, reading it
// from a record of ours would be relocated as well.
#define FETCH(type, address, field)                                                    \
  ({                                                                                   \
    type *at_ = (type *)(address);                                                     \
    typed_reads ? ((type *)bpf_rdonly_cast(at_, bpf_core_type_id_kernel(type)))->field \
                : BPF_CORE_READ(at_, field);                                           \
  })
