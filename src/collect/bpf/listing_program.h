// The listing's kernel side, loaded. It is loaded by a small program that runs in the kernel
// (bpftool's "light skeleton"): the kernel finds its own types in 5 ms, where libbpf reads and
// searches all of them in 30. Plain C, as what is generated is. One thread loads; then any.
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uc_listing_program;

// NULL where the kernel did not take it: then *failed is its errno. `typed_reads`, 0 or 1: whether
// pointers are given types (bpf_rdonly_cast), which kernels before 6.2 refuse.
struct uc_listing_program *uc_listing_load(int typed_reads, int *failed);
void uc_listing_free(struct uc_listing_program *program);

int uc_listing_descriptor(const struct uc_listing_program *program);
// The kernel's clock of ticks and that of nanoseconds at one moment of the last listing; 0 before
// the first.
void uc_listing_clocks(const struct uc_listing_program *program, __u64 *ticks,
                       __u64 *nanoseconds);

#ifdef __cplusplus
}
#endif
