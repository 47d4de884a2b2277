#include "collect/bpf/listing_program.h"

#include <errno.h>
#include <sys/types.h>

#include "listing.lskel.h"

struct uc_listing_program {
  struct listing skeleton;
};

struct uc_listing_program *uc_listing_load(int typed_reads, int *failed) {
  struct listing *skeleton = listing__open();
  if (!skeleton) {
    *failed = ENOMEM;
    return NULL;
  }
  skeleton->rodata->typed_reads = typed_reads != 0;
  const int answer = listing__load(skeleton);
  if (answer == 0) return (struct uc_listing_program *)skeleton;
  *failed = -answer;
  listing__destroy(skeleton);
  return NULL;
}

void uc_listing_free(struct uc_listing_program *program) { listing__destroy(&program->skeleton); }

int uc_listing_descriptor(const struct uc_listing_program *program) {
  return program->skeleton.progs.list.prog_fd;
}

void uc_listing_clocks(const struct uc_listing_program *program, __u64 *ticks,
                       __u64 *nanoseconds) {
  *ticks = program->skeleton.bss->jiffies_now;
  *nanoseconds = program->skeleton.bss->clock_now;
}
