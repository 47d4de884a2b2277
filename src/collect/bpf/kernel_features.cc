#include "collect/bpf/kernel_features.h"

#include <bpf/btf.h>

namespace unclosed {
namespace {

bool has_type(const std::string& name, uint32_t kind) {
  struct btf* types = btf__load_vmlinux_btf();
  if (types == nullptr) return false;
  const int found = btf__find_by_name_kind(types, name.c_str(), kind);
  btf__free(types);
  return found > 0;
}

}  // namespace

bool has_tracepoint(const std::string& name) {
  return has_type("btf_trace_" + name, BTF_KIND_TYPEDEF);
}

bool has_typed_reads() { return has_type("bpf_rdonly_cast", BTF_KIND_FUNC); }

bool has_uprobe_multi() { return has_type("bpf_uprobe_multi_link", BTF_KIND_STRUCT); }

}  // namespace unclosed
