#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "collect/golang/poll_descriptors.h"

namespace unclosed {
namespace {

// The calls that wait for a descriptor, which is their first argument.
constexpr std::pair<long, std::string_view> kCalls[] = {
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_readv, "readv"},
    {SYS_writev, "writev"},
    {SYS_pread64, "pread64"},
    {SYS_pwrite64, "pwrite64"},
    {SYS_recvfrom, "recvfrom"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_sendto, "sendto"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_accept, "accept"},
    {SYS_accept4, "accept4"},
    {SYS_connect, "connect"},
    {SYS_ioctl, "ioctl"},
    {SYS_fsync, "fsync"},
    {SYS_fdatasync, "fdatasync"},
    {SYS_flock, "flock"},
    {SYS_fcntl, "fcntl"},
    {SYS_getdents64, "getdents64"},
};

// The call and descriptor in "0 0x5 0x7f… …", as /proc/PID/task/TID/syscall writes it; nullopt: it
// runs, or waits for something else.
std::optional<std::pair<std::string_view, int>> waiting_call(std::string_view line) {
  long number = -1;
  const auto [rest, fault] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (fault != std::errc()) return std::nullopt;
  const auto* known = std::find_if(std::begin(kCalls), std::end(kCalls),
                                   [&](const auto& call) { return call.first == number; });
  line.remove_prefix(static_cast<size_t>(rest - line.data()));
  if (known == std::end(kCalls) || !line.starts_with(" 0x")) return std::nullopt;
  uint64_t argument = 0;
  const auto read = std::from_chars(line.data() + 3, line.data() + line.size(), argument, 16);
  if (read.ec != std::errc() || (argument & UINT32_MAX) > INT32_MAX) return std::nullopt;
  return std::pair(known->second, static_cast<int>(argument & UINT32_MAX));
}

}  // namespace

Result<std::vector<BlockingCall>> blocking_calls(GoProcess& process, const GoroutineList& list) {
  std::vector<BlockingCall> calls;
  for (const LiveGoroutine& goroutine : list.goroutines) {
    if (goroutine.status != GoroutineStatus::kSyscall || goroutine.thread == 0) continue;
    const uint64_t at = goroutine.thread + process.layout().m_thread;
    const auto thread = process.memory().load<uint64_t>(at);
    if (!thread) return thread.error();
    if (!*thread || **thread == 0 || **thread > INT32_MAX) continue;
    const auto line = process.proc().system_call(process.process(), static_cast<pid_t>(**thread));
    const auto call = line ? waiting_call(*line) : std::nullopt;
    if (!call) continue;
    // It may have come back meanwhile, and the thread gone on with another goroutine.
    const auto still = process.memory().load<uint64_t>(goroutine.address + process.layout().g_m);
    const auto id = process.memory().load<uint64_t>(goroutine.address + process.layout().g_id);
    if (!still || !id || *still != goroutine.thread || *id != goroutine.id) continue;
    calls.push_back({goroutine.id, static_cast<pid_t>(**thread), call->second, call->first});
  }
  return calls;
}

}  // namespace unclosed
