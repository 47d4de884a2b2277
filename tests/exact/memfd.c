// memfd_create(2).
// on seccomp no stack of memory: more than one opening may be meant
#include <sys/mman.h>

#include "exact.h"

OPENER int memory(void) { return opened(memfd_create("exact", 0), __func__); }

int main(void) {
  begin();
  memory();
  shut(memory());
  end();
}
