#include "collect/golang/remote_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"

namespace unclosed {
namespace {

constexpr size_t kMostPieces = 1024;                // UIO_MAXIOV
constexpr uint64_t kMostBytes = uint64_t{1} << 30;  // below what one call may move

// What the system says of reading the memory of other processes; "" when it says nothing.
std::string yama() {
  const auto scope = read_file("/proc/sys/kernel/yama/ptrace_scope", 16);
  if (!scope || scope->empty() || scope->front() == '0') return "";
  return fmt::format("; kernel.yama.ptrace_scope is {}", scope->front());
}

}  // namespace

Result<RemoteMemory> RemoteMemory::open(const ProcessId& process) {
  RemoteMemory memory(
      process, [pid = process.pid](std::span<const iovec> local, std::span<const iovec> remote) {
        return ::process_vm_readv(pid, local.data(), local.size(), remote.data(), remote.size(), 0);
      });
  // The right is checked before the address, which nobody has mapped.
  std::byte nothing{};
  const auto got = memory.read(0, std::span(&nothing, 1));
  if (!got) return got.error();
  return memory;
}

Error RemoteMemory::refusal(int errno_value) const {
  Error error =
      system_error(errno_value, fmt::format("reading the memory of process {}", x_process.pid));
  if (error.kind == ErrorKind::kDenied) {
    error.context += yama();
    error.id = "UC-E030";
  }
  return error;
}

// Fills the lists for one call with pieces from the first on; how many they are.
size_t RemoteMemory::gather(std::span<Piece> pieces) {
  x_local.clear();
  x_remote.clear();
  uint64_t bytes = 0;
  size_t count = 0;
  for (const Piece& piece : pieces) {
    if (x_remote.size() == kMostPieces) break;
    if (count > 0 && piece.into.size() > kMostBytes - std::min(bytes, kMostBytes)) break;
    ++count;
    bytes += piece.into.size();
    if (piece.into.empty()) continue;
    x_remote.push_back({reinterpret_cast<void*>(piece.address), piece.into.size()});
    // Places that follow each other are one to the kernel.
    if (!x_local.empty() &&
        static_cast<std::byte*>(x_local.back().iov_base) + x_local.back().iov_len ==
            piece.into.data()) {
      x_local.back().iov_len += piece.into.size();
    } else {
      x_local.push_back({piece.into.data(), piece.into.size()});
    }
  }
  return count;
}

Status RemoteMemory::read(std::span<Piece> pieces) {
  while (!pieces.empty()) {
    const size_t count = gather(pieces);
    uint64_t got = 0;
    if (!x_remote.empty()) {
      const ssize_t answer = x_source(x_local, x_remote);
      if (answer < 0 && errno != EFAULT) return refusal(errno);
      got = answer < 0 ? 0 : static_cast<uint64_t>(answer);
    }
    // It ends at the first place that is not mapped: go on behind the piece that holds it.
    size_t done = 0;
    for (; done < count && pieces[done].into.size() <= got; ++done) {
      pieces[done].got = true;
      got -= pieces[done].into.size();
    }
    if (done < count) pieces[done++].got = false;
    pieces = pieces.subspan(done);
  }
  return {};
}

Result<bool> RemoteMemory::read(uint64_t address, std::span<std::byte> into) {
  Piece piece{address, into};
  const auto read_it = read(std::span(&piece, 1));
  if (!read_it) return read_it.error();
  return piece.got;
}

Result<std::optional<std::string>> RemoteMemory::text(uint64_t address, uint64_t size, size_t cap) {
  std::string text(std::min<uint64_t>(size, cap), '\0');
  const auto got = read(address, std::as_writable_bytes(std::span(text)));
  if (!got) return got.error();
  return *got ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace unclosed
