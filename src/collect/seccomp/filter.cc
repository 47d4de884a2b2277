#include "collect/seccomp/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <initializer_list>
#include <span>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace unclosed {
namespace {

struct Told {
  int number;
  CallKind kind;
};

// Calls that are told whatever their arguments are. Reads are not here: they are the busiest, and
// what they would tell is in the socket's own counters; of them recvmsg alone gives descriptors.
constexpr std::array kAlways = {
    Told{__NR_close, CallKind::kCloses},        Told{__NR_sendto, CallKind::kSends},
    Told{__NR_sendmsg, CallKind::kSends},       Told{__NR_sendmmsg, CallKind::kSends},
    Told{__NR_socket, CallKind::kOpens},        Told{__NR_connect, CallKind::kConnects},
    Told{__NR_accept, CallKind::kOpens},        Told{__NR_accept4, CallKind::kOpens},
    Told{__NR_openat, CallKind::kOpens},        Told{__NR_open, CallKind::kOpens},
    Told{__NR_openat2, CallKind::kOpens},       Told{__NR_creat, CallKind::kOpens},
    Told{__NR_pipe, CallKind::kOpens},          Told{__NR_pipe2, CallKind::kOpens},
    Told{__NR_socketpair, CallKind::kOpens},    Told{__NR_eventfd, CallKind::kOpens},
    Told{__NR_eventfd2, CallKind::kOpens},      Told{__NR_epoll_create, CallKind::kOpens},
    Told{__NR_epoll_create1, CallKind::kOpens}, Told{__NR_timerfd_create, CallKind::kOpens},
    Told{__NR_signalfd, CallKind::kOpens},      Told{__NR_signalfd4, CallKind::kOpens},
    Told{__NR_inotify_init, CallKind::kOpens},  Told{__NR_inotify_init1, CallKind::kOpens},
    Told{__NR_memfd_create, CallKind::kOpens},  Told{__NR_pidfd_open, CallKind::kOpens},
    Told{__NR_dup, CallKind::kCopies},          Told{__NR_dup2, CallKind::kCopies},
    Told{__NR_dup3, CallKind::kCopies},         Told{__NR_close_range, CallKind::kClears},
    Told{__NR_execve, CallKind::kExecutes},     Told{__NR_execveat, CallKind::kExecutes},
    Told{__NR_exit_group, CallKind::kEnds},     Told{__NR_bind, CallKind::kNames},
    Told{__NR_listen, CallKind::kNames},        Told{__NR_unshare, CallKind::kParts},
    Told{__NR_recvmsg, CallKind::kReceives},
};
// write and writev: the filter sees a number, not what it is open on; but what a service says to
// its terminal or log never concerns us.
constexpr uint32_t kLastStandard = STDERR_FILENO;
// What is told costs a busy Go server most of all (docs/bench.md). Of an accept and of a close only
// the stacks are needed: where those of a port come from, and where they are closed. Chosen by
// number, because leaks take the numbers below away, so that the others move through all
// remainders.
constexpr uint32_t kOneInFour = 3, kToldOfFour = 2;

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr uint16_t kAnd = BPF_ALU | BPF_AND | BPF_K;
constexpr uint16_t kAnyOf = BPF_JMP | BPF_JSET | BPF_K;
constexpr uint16_t kGreater = BPF_JMP | BPF_JGT | BPF_K;
constexpr uint16_t kJump = BPF_JMP | BPF_JA;
constexpr uint16_t kKeep = BPF_MISC | BPF_TAX;
constexpr uint16_t kLoadValue = BPF_LD | BPF_IMM;
constexpr uint16_t kShift = BPF_ALU | BPF_LSH | BPF_X;
constexpr uint16_t kReturn = BPF_RET | BPF_K;

constexpr uint32_t offset_of_argument(uint32_t index) {
  return static_cast<uint32_t>(offsetof(seccomp_data, args)) + index * 8;  // its low half
}

// What abort, a failed assertion or a process that gives up sends itself; others come by the
// thousand (Go preempts by SIGURG).
constexpr uint32_t signals(std::initializer_list<int> numbers) {
  uint32_t mask = 0;
  for (const int number : numbers) mask |= 1U << number;
  return mask;
}
constexpr uint32_t kLastSignal = 31;
constexpr uint32_t kFatal = signals({SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS,
                                     SIGFPE, SIGKILL, SIGSEGV, SIGTERM, SIGSYS});

constexpr size_t kTail = 38;
constexpr size_t kLength = 4 + kAlways.size() + kTail;

constexpr std::array<sock_filter, kLength> make_filter(ToldCalls told) {
  std::array<sock_filter, kLength> code{};
  size_t at = 0;
  const auto put = [&](uint16_t what, uint32_t value, size_t yes = 0, size_t no = 0) {
    code[at++] = {what, static_cast<uint8_t>(yes), static_cast<uint8_t>(no), value};
  };
  constexpr size_t kAllow = kLength - 2, kTell = kLength - 1;
  const auto to = [&](size_t where) { return where - at - 1; };
  const bool go = told == ToldCalls::kOfGo;
  put(kLoad, offsetof(seccomp_data, arch));
  put(kEqual, AUDIT_ARCH_X86_64, 0, to(kAllow));
  put(kLoad, offsetof(seccomp_data, nr));
  for (const Told& call : kAlways) {
    const bool seldom = call.number == __NR_close || call.number == __NR_accept4;
    if (go && (seldom || call.number == __NR_recvmsg)) continue;
    put(kEqual, static_cast<uint32_t>(call.number), to(kTell), 0);
  }
  if (go) {
    put(kEqual, __NR_close, 0, 3);
    put(kLoad, offset_of_argument(0));
    put(kAnd, kOneInFour);
    put(kEqual, kToldOfFour, to(kTell), to(kAllow));
    put(kEqual, __NR_accept4, 0, 2);
    put(kLoad, offset_of_argument(3));
    put(kAnyOf, SOCK_NONBLOCK, to(kAllow), to(kTell));
    put(kEqual, __NR_epoll_ctl, 0, 5);
    put(kLoad, offset_of_argument(1));
    put(kEqual, EPOLL_CTL_ADD, 0, to(kAllow));
    put(kLoad, offset_of_argument(2));
    put(kAnd, kOneInFour);
    put(kEqual, kToldOfFour, to(kTell), to(kAllow));
  }
  put(kEqual, __NR_write, 2, 0);
  put(kEqual, __NR_writev, 1, 0);
  put(kEqual, __NR_fcntl, 2, 5);
  put(kLoad, offset_of_argument(0));
  put(kGreater, kLastStandard, to(kTell), to(kAllow));
  put(kLoad, offset_of_argument(1));
  put(kEqual, F_DUPFD, to(kTell), 0);
  put(kEqual, F_DUPFD_CLOEXEC, to(kTell), to(kAllow));
  put(kEqual, __NR_kill, 2, 0);
  put(kEqual, __NR_tkill, 1, 0);
  put(kEqual, __NR_tgkill, 2, to(kAllow));
  put(kLoad, offset_of_argument(1));
  put(kJump, 1);
  put(kLoad, offset_of_argument(2));
  put(kGreater, kLastSignal, to(kAllow), 0);
  put(kKeep, 0);
  put(kLoadValue, 1);
  put(kShift, 0);
  put(kAnyOf, kFatal, to(kTell), to(kAllow));
  while (at < kAllow) put(kReturn, SECCOMP_RET_ALLOW);
  put(kReturn, SECCOMP_RET_ALLOW);
  put(kReturn, SECCOMP_RET_USER_NOTIF);
  return code;
}
constexpr auto kFilter = make_filter(ToldCalls::kAll), kFilterOfGo = make_filter(ToldCalls::kOfGo);

int install(std::span<const sock_filter> code) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
  sock_fprog program{static_cast<uint16_t>(code.size()), const_cast<sock_filter*>(code.data())};
  // Once the supervisor has a call, a signal no longer interrupts and repeats it (kernel 5.19).
  for (const unsigned long flags :
       {SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
        SECCOMP_FILTER_FLAG_NEW_LISTENER}) {
    const long listener = ::syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (listener >= 0) return static_cast<int>(listener);
    if (errno != EINVAL) return -errno;
  }
  return -EINVAL;
}

}  // namespace

int install_filter(ToldCalls told) {
  return install(told == ToldCalls::kOfGo ? kFilterOfGo : kFilter);
}

int listener_refused() {
  constexpr std::array<sock_filter, 1> kAllowAll{{{kReturn, 0, 0, SECCOMP_RET_ALLOW}}};
  const pid_t pid = ::fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    const int listener = install(kAllowAll);
    ::_exit(listener < 0 ? -listener : 0);  // every errno fits into a status
  }
  int status = 0;
  if (retry_eintr([&] { return ::waitpid(pid, &status, 0); }) != pid) return errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;  // a policy that kills
}

CallKind kind_of_call(int number) {
  for (const Told& call : kAlways) {
    if (call.number == number) return call.kind;
  }
  if (number == __NR_epoll_ctl) return CallKind::kWatches;
  if (number == __NR_kill || number == __NR_tkill || number == __NR_tgkill) {
    return CallKind::kSignals;
  }
  return number == __NR_fcntl ? CallKind::kCopies : CallKind::kSends;
}

size_t named_argument(CallKind kind) { return kind == CallKind::kWatches ? 2 : 0; }

}  // namespace unclosed
