// The kernel's types as far as the kernel side reads them: own minimal declarations whose offsets
// libbpf relocates by the running kernel's BTF (CO-RE), so that the build needs no BTF and no
// dumped header. Kernel side only.
#pragma once

typedef signed char __s8;
typedef unsigned char __u8;
typedef short int __s16;
typedef short unsigned int __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long int __s64;
typedef long long unsigned int __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_LRU_HASH = 9,
  BPF_MAP_TYPE_RINGBUF = 27,
  BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1ULL << 0 };
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_F_NO_PREALLOC = 1U << 0, BPF_F_MMAPABLE = 1U << 10 };
enum { BPF_RB_NO_WAKEUP = 1ULL << 0, BPF_RB_FORCE_WAKEUP = 1ULL << 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
  unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
      flags, sp, ss;
};

typedef struct {
  int counter;
} atomic_t;
typedef struct {
  __s64 counter;
} atomic64_t;

struct super_block {
  unsigned long s_magic;
};
struct inode {
  __u16 i_mode;
  unsigned long i_ino;
  struct super_block* i_sb;
};
struct qstr {
  const unsigned char* name;
};
struct dentry {
  struct qstr d_name;
};
struct path {
  struct dentry* dentry;
};
struct file {
  void* private_data;
  struct inode* f_inode;
  struct path f_path;
  unsigned int f_flags;
  unsigned int f_mode;
};
struct pipe_inode_info {
  unsigned int readers, writers;
};
// Linux up to 6.12 counts a file's references in f_count, later ones in f_ref, which starts at 0
// for one reference (kernel commit 90ee6ed776c0, "fs: port files to file_ref").
struct file___count {
  atomic64_t f_count;
};
typedef struct {
  atomic64_t refcnt;
} file_ref_t___ref;
struct file___ref {
  file_ref_t___ref f_ref;
};
struct fdtable {
  unsigned int max_fds;
  struct file** fd;
  unsigned long* open_fds;
};
struct files_struct {
  atomic_t count;
  struct fdtable* fdt;
};
struct signal_struct {
  atomic_t live;
  int nr_threads;
};
struct thread_struct {
  unsigned long fsbase;
};
struct task_struct {
  struct thread_struct thread;
  struct files_struct* files;
  struct signal_struct* signal;
  int pid;
  int tgid;
  struct task_struct* group_leader;
};

struct in6_addr {
  union {
    __u8 u6_addr8[16];
  } in6_u;
};
struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  unsigned long skc_flags;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
};
struct sk_buff_head {
  __u32 qlen;
};
struct socket;
struct sock {
  struct sock_common __sk_common;
  __u8 sk_shutdown;
  __u16 sk_type;
  __u16 sk_protocol;
  int sk_err;
  struct sk_buff_head sk_receive_queue;
  struct socket* sk_socket;
};
struct socket {
  short type;
  struct file* file;
  struct sock* sk;
};
struct inet_sock {
  struct sock sk;
  __be32 inet_saddr;
  __be16 inet_sport;
};
struct inet_connection_sock {
  struct inet_sock icsk_inet;
  __u8 icsk_retransmits;
  __u8 icsk_probes_out;
  struct {
    __u32 lrcvtime;
  } icsk_ack;
};
struct tcp_sock {
  struct inet_connection_sock inet_conn;
  __u32 rcv_nxt;
  __u32 copied_seq;
  __u32 write_seq;
  __u32 snd_una;
  __u32 rcv_tstamp;
  __u64 bytes_received;
};
struct sockaddr_un {
  __u16 sun_family;
  char sun_path[108];
};
struct unix_address {
  int len;
  struct sockaddr_un name[0];
};
struct unix_sock {
  struct sock sk;
  struct unix_address* addr;
  struct sock* peer;
};
// Newer kernels (seen in 6.18) count the unread bytes of a unix stream socket.
struct unix_sock___inq {
  int inq_len;
};

struct seq_file;
struct bpf_iter_meta {
  struct seq_file* seq;
};
struct bpf_iter__task_file {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
  __u32 fd;
  struct file* file;
};

#pragma clang attribute pop
