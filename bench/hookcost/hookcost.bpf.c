// Programs that do nothing but count, for each way to hang on a descriptor's coming, use and end.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 runs = 0;

#define COUNTING(name, section)        \
  SEC(section) int name(void *ctx) {   \
    (void)ctx;                         \
    __sync_fetch_and_add(&runs, 1);    \
    return 0;                          \
  }

COUNTING(by_tracepoint, "tracepoint")
COUNTING(raw_exit, "raw_tp/sys_exit")
COUNTING(install_fentry, "fentry/fd_install")
COUNTING(install_fexit, "fexit/fd_install")
COUNTING(install_kprobe, "kprobe/fd_install")
COUNTING(close_fentry, "fentry/__x64_sys_close")
COUNTING(close_kprobe, "kprobe/__x64_sys_close")
COUNTING(send_tp_btf, "tp_btf/sock_send_length")
COUNTING(receive_tp_btf, "tp_btf/sock_recv_length")
COUNTING(send_fexit, "fexit/sock_sendmsg")
COUNTING(receive_fexit, "fexit/sock_recvmsg")
