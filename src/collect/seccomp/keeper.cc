#include "collect/seccomp/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

namespace unclosed {
namespace {

constexpr int kTickMs = 100;
constexpr int kMostHeldTicks = 10;

short ready(int fd, int wait_ms) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, wait_ms) > 0 ? one.revents : short{0};
}

// Answers one waiting call. False: the service is gone.
bool answer_one(int listener) {
  seccomp_notif call{};
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
    return errno == EINTR || errno == ENOENT;
  }
  let_go(listener, call.id);
  return true;
}

// In place of the supervisor, for as long as `stands` says so.
template <class Stands>
[[nodiscard]] bool serve(int listener, SharedPage& page, Stands stands) {
  let_go(listener, page.call.id);
  for (const auto& held : page.held) let_go(listener, held);
  while (stands()) {
    const short what = ready(listener, kTickMs);
    if ((what & POLLIN) != 0) {
      if (!answer_one(listener)) return false;
    } else if (what != 0) {
      return false;
    }
  }
  return true;
}

struct Held {
  uint64_t id = 0;
  int ticks = 0;
};

[[noreturn]] void keep(int listener, int life, SharedPage& page) {
  uint64_t seen = page.answered, waiting_id = 0;
  std::array<Held, SharedPage::kMostHeld> held{};
  bool waited = false;
  for (;;) {
    if (ready(life, kTickMs) != 0) {  // the supervisor is gone
      (void)serve(listener, page, [] { return true; });
      ::_exit(0);
    }
    const short what = ready(listener, 0);
    if ((what & POLLHUP) != 0) ::_exit(0);
    for (size_t i = 0; i < held.size(); ++i) {
      const uint64_t id = page.held[i];
      held[i] = {id, id == held[i].id ? held[i].ticks + 1 : 0};
      if (id != 0 && held[i].ticks >= kMostHeldTicks) let_go(listener, id);
    }
    const uint64_t now = page.answered, id = page.call.id;
    const bool waits = (what & POLLIN) != 0 || (id != 0 && id == waiting_id);
    const bool stuck = waits && waited && now == seen;
    waited = waits && now == seen;
    seen = now;
    waiting_id = id;
    if (!stuck) continue;
    const auto stands = [&] { return page.answered == now && ready(life, 0) == 0; };
    if (!serve(listener, page, stands)) ::_exit(0);
  }
}

// Of all that was inherited only the two descriptors stay, and no signal of a terminal reaches it.
[[noreturn]] void become_keeper(int listener, int life, SharedPage& page) {
  ::setsid();
  ::prctl(PR_SET_NAME, "unclosed-keeper");
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  constexpr int kAbove = 10;  // so that neither lies where the other goes
  listener = ::fcntl(listener, F_DUPFD, kAbove);
  life = ::fcntl(life, F_DUPFD, kAbove);
  if (::dup2(listener, 0) != 0 || ::dup2(life, 1) != 1) ::_exit(1);
  ::syscall(__NR_close_range, 2U, ~0U, 0U);
  (void)!::chdir("/");
  keep(0, 1, page);
}

}  // namespace

Result<SharedPage*> make_shared_page() {
  void* memory = ::mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return system_error(errno, "mmap");
  return new (memory) SharedPage();
}

bool let_go(int listener, uint64_t id) {
  seccomp_notif_resp answer{};
  answer.id = id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

Result<Fd> start_keeper(int listener, SharedPage& page) {
  int life[2];
  if (::pipe2(life, O_CLOEXEC) != 0) return system_error(errno, "pipe2");
  Fd theirs(life[0]), ours(life[1]);
  const __u64 flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
  (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);  // older kernels: slower, no worse
  const pid_t pid = ::fork();
  if (pid < 0) return system_error(errno, "fork");
  if (pid == 0) {
    const pid_t second = ::fork();  // nobody's child, so that nobody must wait for it
    if (second != 0) ::_exit(second < 0 ? 1 : 0);
    ours.reset();
    become_keeper(listener, theirs.get(), page);
  }
  int status = 0;
  if (retry_eintr([&] { return ::waitpid(pid, &status, 0); }) != pid || status != 0) {
    return Error{ErrorKind::kSystem, "the keeper of the seccomp rung could not be started"};
  }
  return ours;
}

}  // namespace unclosed
