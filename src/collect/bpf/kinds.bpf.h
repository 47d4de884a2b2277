// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What a file is, by its inode and its name in the kernel, and a socket's own port. Kernel side only; needs the types and libbpf's headers before
// it.
#pragma once

enum { MAGIC_SOCK = 0x534F434B, MAGIC_PIPE = 0x50495045, MAGIC_ANON = 0x09041934, MAGIC_PIDFS = 0x50494446 };
enum { MODE_TYPE = 0170000, MODE_FIFO = 0010000 };
enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10, FAMILY_NETLINK = 16 };
enum { TYPE_STREAM = 1 };

// Our port, in host byte order, by its number in the socket: a reset takes that away and leaves the address (inet_put_port).
static __always_inline __u16 local_port_of(struct sock *sk, __u16 number) {
  return number ? number : __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
}

static __always_inline __u8 kind_of_anonymous(struct file *file) {
  char name[16] = {};
  const unsigned char *text = BPF_CORE_READ(file, f_path.dentry, d_name.name);
  bpf_probe_read_kernel_str(name, sizeof(name), text);
  if (name[0] == 'i' && name[1] == 'n' && name[2] == 'o') return UC_INOTIFY;  // inotify: the one without brackets
  if (name[0] != '[') return UC_OTHER;
  if (name[1] == 'e' && name[6] == 'f') return UC_EVENTFD;     // [eventfd]
  if (name[1] == 'e' && name[6] == 'p') return UC_EPOLL;       // [eventpoll]
  if (name[1] == 't' && name[2] == 'i') return UC_TIMERFD;
  if (name[1] == 's' && name[2] == 'i') return UC_SIGNALFD;
  if (name[1] == 'p' && name[2] == 'i') return UC_PIDFD;
  return UC_OTHER;
}

static __always_inline __u8 kind_of_file(struct file *file, struct inode *inode) {
  unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
  if (magic == MAGIC_PIPE) return UC_PIPE;
  if (magic == MAGIC_PIDFS) return UC_PIDFD;
  if (magic == MAGIC_ANON) return kind_of_anonymous(file);
  if ((BPF_CORE_READ(inode, i_mode) & MODE_TYPE) == MODE_FIFO) return UC_FIFO;
  char name[8] = {};
  const unsigned char *text = BPF_CORE_READ(file, f_path.dentry, d_name.name);
  bpf_probe_read_kernel_str(name, sizeof(name), text);
  if (name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' && name[4] == 'd' && name[5] == ':')
    return UC_MEMFD;
  return UC_FILE;
}
