// RemoteMemory: reads the memory of another process while that runs, by process_vm_readv: nothing
// is stopped, nothing written. What is read may change meanwhile, also within one call: whoever
// needs one moment reads twice and compares. Many small pieces are read in one call. One thread at
// a time.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/process.h"

namespace unclosed {

class RemoteMemory {
 public:
  // One stretch to be read. `got`: all of it came; else `into` holds nothing of use.
  struct Piece {
    uint64_t address = 0;
    std::span<std::byte> into;
    bool got = false;
  };

  // Answers as process_vm_readv does: fills `local` from `remote` up to the first place that is
  // not mapped, and says how many bytes came; -1 and errno when none did.
  using Source =
      std::function<ssize_t(std::span<const iovec> local, std::span<const iovec> remote)>;

  // kGone: no such process. kDenied: we may not read its memory; the text says why as far as the
  // system tells.
  static Result<RemoteMemory> open(const ProcessId& process);
  // Memory that something else than the kernel answers for: a recording.
  static RemoteMemory over(const ProcessId& process, Source source) {
    return {process, std::move(source)};
  }

  const ProcessId& process() const { return x_process; }

  // Reads all pieces in as few calls as there can be. A piece that is not mapped is no error: its
  // `got` tells. kGone, kDenied: the process ended, or changed its credentials.
  Status read(std::span<Piece> pieces);
  // One stretch; false: not all of it is mapped.
  Result<bool> read(uint64_t address, std::span<std::byte> into);
  // One value; nullopt: not mapped.
  template <class T>
  Result<std::optional<T>> load(uint64_t address) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    const auto got = read(address, std::as_writable_bytes(std::span(&value, 1)));
    if (!got) return got.error();
    return *got ? std::optional<T>(value) : std::nullopt;
  }
  // A text of a known length, at most `cap` bytes of it; nullopt: not mapped.
  Result<std::optional<std::string>> text(uint64_t address, uint64_t size, size_t cap);

 private:
  RemoteMemory(const ProcessId& process, Source source)
      : x_process(process), x_source(std::move(source)) {}
  Error refusal(int errno_value) const;
  size_t gather(std::span<Piece> pieces);

  ProcessId x_process;
  Source x_source;
  std::vector<iovec> x_local, x_remote;  // reused
};

}  // namespace unclosed
