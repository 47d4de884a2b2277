#include "cli/launch.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <new>
#include <sstream>
#include <thread>

#include "collect/seccomp/filter.h"
#include "symbolize/elf_file.h"
#include "symbolize/go_build_info.h"
#include "symbolize/mapped_file.h"

namespace unclosed {
namespace {

// Whether somebody traces the process: the TracerPid of its status.
bool traced(pid_t pid) {
  const auto status = read_file(fmt::format("/proc/{}/status", pid));
  return status && status->find("TracerPid:\t0\n") == std::string::npos;
}

Error cannot_run(const std::string& command, int errno_value) {
  Error error = system_error(errno_value, fmt::format("cannot run {}", command));
  error.kind = ErrorKind::kUsage;
  error.id = "UC-E011";
  return error;
}

Error no_filter(std::string_view what, int errno_value) {
  return system_error(errno_value,
                      fmt::format("{} is refused here (a container needs a seccomp profile that "
                                  "allows seccomp, pidfd_open and pidfd_getfd)",
                                  what));
}

// What the parent tells the child to do.
constexpr char kGo = 1, kConfine = 2, kConfineGo = 3;

// The file that execvp will take; nullopt: none is found.
std::optional<std::string> program_of(const std::string& command) {
  if (command.find('/') != std::string::npos) return command;
  const char* folders = ::getenv("PATH");
  std::stringstream path(folders == nullptr ? "/bin:/usr/bin" : folders);
  for (std::string folder; std::getline(path, folder, ':');) {
    const std::string file = fmt::format("{}/{}", folder.empty() ? "." : folder, command);
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

ToldCalls told_calls_of(const std::string& command) {
  const auto program = program_of(command);
  if (!program) return ToldCalls::kAll;
  const auto opened = Fd::open(*program, O_RDONLY);
  if (!opened) return ToldCalls::kAll;
  const auto file = MappedFile::map(*opened, *program);
  if (!file) return ToldCalls::kAll;
  const auto elf = ElfFile::parse(file->bytes());
  return elf && go_build_info(*elf) ? ToldCalls::kOfGo : ToldCalls::kAll;
}

[[noreturn]] void child(int start, int failure, std::atomic<int>& listener,
                        const std::vector<std::string>& command) {
  bool confined = false;
  for (char byte = 0; byte != kGo;) {
    // End-of-file: the parent is gone or gave up.
    if (retry_eintr([&] { return ::read(start, &byte, 1); }) != 1) ::_exit(127);
    if (byte != kConfine && byte != kConfineGo) continue;
    const int installed = install_filter(byte == kConfineGo ? ToldCalls::kOfGo : ToldCalls::kAll);
    confined = installed >= 0;
    listener = confined ? installed + 1 : installed;
  }
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  // Refused where another tracer or a policy stands in the way: then the exec simply is not held.
  if (!confined) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::execvp(arguments[0], arguments.data());
  const int why = errno;
  (void)!::write(failure, &why, sizeof why);
  ::_exit(127);
}

}  // namespace

Result<Launch> Launch::prepare(const std::vector<std::string>& command, ChildOutput output) {
  int start[2], failure[2];
  if (::pipe2(start, O_CLOEXEC) != 0) return system_error(errno, "pipe2");
  Fd start_out(start[0]), start_in(start[1]);
  if (::pipe2(failure, O_CLOEXEC) != 0) return system_error(errno, "pipe2");
  Fd failure_out(failure[0]), failure_in(failure[1]);
  void* shared = ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return system_error(errno, "mmap");
  auto* listener = new (shared) std::atomic<int>(0);
  const pid_t pid = ::fork();
  if (pid < 0) return system_error(errno, "fork");
  if (pid == 0) {
    start_in.reset();
    if (output == ChildOutput::kStandardError) ::dup2(STDERR_FILENO, STDOUT_FILENO);
    child(start_out.get(), failure_in.get(), *listener, command);
  }
  Launch launch;
  launch.x_pid = pid;
  launch.x_command = command.front();
  launch.x_listener = listener;
  launch.x_start = std::move(start_in);
  launch.x_failure = std::move(failure_out);
  return launch;
}

Launch::~Launch() {
  if (x_pid <= 0 || x_gone || !x_start.valid()) return;
  x_start.reset();
  // It would end by itself; but not behind a filter that nobody answers.
  ::kill(x_pid, SIGKILL);
  ::waitpid(x_pid, nullptr, 0);
}

namespace {

// The command has the filter, and depends on a listener that is not to be had.
Error stranded(Error error) {
  error.id = "UC-E019";
  return error;
}

}  // namespace

Result<Confined> Launch::confine() {
  constexpr auto kTick = std::chrono::microseconds(200);
  if (const int refused = listener_refused(); refused == EBUSY) {
    return Error{ErrorKind::kUnsupported,
                 "another program listens to this one's calls already (a sandbox or a debugger), "
                 "and there can be one listener: start it outside of that"};
  } else if (refused != 0) {
    return no_filter("a seccomp filter with a listener", refused);
  }
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, x_pid, 0)));
  if (!process.valid()) return no_filter("pidfd_open", errno);
  // Asked before the command depends on it; whether number 0 is open there does not matter.
  Fd trial(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), 0, 0)));
  if (!trial.valid() && errno != EBADF) return no_filter("pidfd_getfd", errno);
  trial.reset();
  const ToldCalls told = told_calls_of(x_command);
  const char& byte = told == ToldCalls::kOfGo ? kConfineGo : kConfine;
  if (::write(x_start.get(), &byte, 1) != 1) return system_error(errno, "confining the command");
  const Instant until = monotonic_now() + std::chrono::seconds(10);
  while (*x_listener == 0 && monotonic_now() < until) std::this_thread::sleep_for(kTick);
  const int answer = *x_listener;
  if (answer == 0) {
    return stranded({ErrorKind::kSystem, "the command's process does not answer"});
  }
  if (answer < 0) return system_error(-answer, "seccomp");
  Fd listener(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), answer - 1, 0)));
  if (!listener.valid()) return stranded(system_error(errno, "pidfd_getfd"));
  return Confined{std::move(listener), told};
}

std::string Launch::program() const {
  std::error_code error;
  const auto path = std::filesystem::canonical(program_of(x_command).value_or(""), error);
  return error ? "" : path.string();
}

// The next stop of the traced child, with the signal that stopped it; nullopt when it has ended.
std::optional<int> Launch::wait_for_stop() {
  int status = 0;
  if (retry_eintr([&] { return ::waitpid(x_pid, &status, 0); }) != x_pid) return std::nullopt;
  if (WIFSTOPPED(status)) return WSTOPSIG(status);
  x_status = status;
  return std::nullopt;
}

namespace {

// The address at which the program's own code begins, as the kernel told it (AT_ENTRY).
std::optional<uint64_t> entry_of(pid_t pid) {
  const auto vector = read_file(fmt::format("/proc/{}/auxv", pid));
  if (!vector) return std::nullopt;
  for (size_t at = 0; at + 16 <= vector->size(); at += 16) {
    uint64_t pair[2];
    std::memcpy(pair, vector->data() + at, sizeof pair);
    if (pair[0] == AT_ENTRY) return pair[1];
  }
  return std::nullopt;
}

}  // namespace

// From the stop after exec to the first instruction of the program: a breakpoint there, taken away
// again before the instruction runs. False: the child is not there, or not stopped.
bool Launch::hold_at_entry() {
  const auto entry = entry_of(x_pid);
  if (!entry) return true;
  auto* where = reinterpret_cast<void*>(*entry);
  errno = 0;
  const long original = ::ptrace(PTRACE_PEEKTEXT, x_pid, where, nullptr);
  if (errno != 0) return true;
  constexpr long kBreakpoint = 0xcc;
  if (::ptrace(PTRACE_POKETEXT, x_pid, where, (original & ~0xffL) | kBreakpoint) != 0) return true;
  int pass = 0;
  for (;;) {
    if (::ptrace(PTRACE_CONT, x_pid, nullptr, pass) != 0) return false;
    const auto stopped = wait_for_stop();
    if (!stopped) return false;
    user_regs_struct registers{};
    if (*stopped == SIGTRAP && ::ptrace(PTRACE_GETREGS, x_pid, nullptr, &registers) == 0 &&
        registers.rip == *entry + 1) {
      registers.rip = *entry;
      ::ptrace(PTRACE_POKETEXT, x_pid, where, original);
      ::ptrace(PTRACE_SETREGS, x_pid, nullptr, &registers);
      return true;
    }
    pass = *stopped;  // a signal of its own, delivered as if nobody watched
  }
}

Status Launch::go(const std::function<void()>& mapped) {
  if (::write(x_start.get(), &kGo, 1) != 1) return system_error(errno, "starting the command");
  x_gone = true;
  x_start.reset();
  int why = 0;
  // End-of-file: exec closed the other end.
  if (retry_eintr([&] { return ::read(x_failure.get(), &why, sizeof why); }) == sizeof why) {
    ::waitpid(x_pid, nullptr, 0);
    x_status = 127 << 8;
    return cannot_run(x_command, why);
  }
  x_failure.reset();
  int status = 0;
  // A traced exec stops the child; one that could not be traced runs on.
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(x_pid), &info, WEXITED | WSTOPPED | WNOWAIT | WNOHANG) !=
          0 ||
      info.si_pid == 0) {
    if (!traced(x_pid)) return {};
  }
  if (retry_eintr([&] { return ::waitpid(x_pid, &status, 0); }) != x_pid) return {};
  if (!WIFSTOPPED(status)) {
    x_status = status;
    return {};
  }
  if (hold_at_entry()) {
    mapped();
    ::ptrace(PTRACE_DETACH, x_pid, nullptr, nullptr);
  }
  return {};
}

std::optional<int> Launch::status() {
  int status = 0;
  if (!x_status && ::waitpid(x_pid, &status, WNOHANG) == x_pid) x_status = status;
  return x_status;
}

std::optional<int> Launch::end(Duration most) {
  if (status()) return x_status;
  ::kill(x_pid, SIGTERM);
  const Instant until = monotonic_now() + most;
  while (!status() && monotonic_now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return x_status;
}

}  // namespace unclosed
