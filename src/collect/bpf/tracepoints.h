// The tracepoints of system calls that the kernel side hangs on, by the program that serves them.
// Constants; any thread.
#pragma once

#include <array>

namespace unclosed {

struct Attachment {
  const char* tracepoint;
  bool required;
};

// One program serves many tracepoints: loading and verifying it costs once.
constexpr std::array kOpenExits = {
    Attachment{"sys_exit_socket", true},          Attachment{"sys_exit_accept4", true},
    Attachment{"sys_exit_accept", true},          Attachment{"sys_exit_openat", true},
    Attachment{"sys_exit_open", false},           Attachment{"sys_exit_openat2", false},
    Attachment{"sys_exit_creat", false},          Attachment{"sys_exit_open_by_handle_at", false},
    Attachment{"sys_exit_pipe", false},           Attachment{"sys_exit_pipe2", true},
    Attachment{"sys_exit_socketpair", true},      Attachment{"sys_exit_eventfd", false},
    Attachment{"sys_exit_eventfd2", true},        Attachment{"sys_exit_epoll_create", false},
    Attachment{"sys_exit_epoll_create1", true},   Attachment{"sys_exit_timerfd_create", false},
    Attachment{"sys_exit_signalfd", false},       Attachment{"sys_exit_signalfd4", false},
    Attachment{"sys_exit_inotify_init", false},   Attachment{"sys_exit_inotify_init1", false},
    Attachment{"sys_exit_fanotify_init", false},  Attachment{"sys_exit_memfd_create", false},
    Attachment{"sys_exit_memfd_secret", false},   Attachment{"sys_exit_pidfd_open", false},
    Attachment{"sys_exit_pidfd_getfd", false},    Attachment{"sys_exit_userfaultfd", false},
    Attachment{"sys_exit_io_uring_setup", false}, Attachment{"sys_exit_perf_event_open", false},
    Attachment{"sys_exit_mq_open", false},        Attachment{"sys_exit_dup", true},
    Attachment{"sys_exit_dup2", false},           Attachment{"sys_exit_dup3", true},
    Attachment{"sys_exit_fcntl", false},          Attachment{"sys_exit_clone", false},
    Attachment{"sys_exit_clone3", false},
};

// Where the kernel has no tracepoints of sockets: what every target's system calls say of them.
constexpr std::array kIoExits = {"sys_exit_read",     "sys_exit_write",     "sys_exit_readv",
                                 "sys_exit_writev",   "sys_exit_sendto",    "sys_exit_recvfrom",
                                 "sys_exit_sendmsg",  "sys_exit_recvmsg",   "sys_exit_sendmmsg",
                                 "sys_exit_recvmmsg", "sys_exit_sendfile64"};

}  // namespace unclosed
