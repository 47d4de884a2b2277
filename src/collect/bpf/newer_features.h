// What newer kernels offer, and whether it is to be used: kNever is for tests of what older ones
// get, on a newer one. Value type; any thread.
#pragma once

namespace unclosed {

enum class Offer { kWherePresent, kNever };

struct NewerFeatures {
  Offer socket_hooks = Offer::kWherePresent;  // tracepoints of what sockets send and receive (6.3)
  Offer typed_reads = Offer::kWherePresent;   // bpf_rdonly_cast (6.2)
};

}  // namespace unclosed
