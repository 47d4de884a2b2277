// Looks through stretches of a process's memory word by word, in pieces, so that little of it is
// held at a time, and reads lists whose length is the process's own word. One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "collect/golang/remote_memory.h"

namespace unclosed {

// Calls `visit(address, words)` for [start, end), piece by piece; each piece but the last ends with
// `overlap` words that the next begins with, so that whoever looks for words in a row misses none.
// What is not mapped is left out.
template <class Visit>
Status scan_words(RemoteMemory& memory, uint64_t start, uint64_t end, size_t overlap, Visit visit) {
  constexpr size_t kWords = size_t{1} << 17;  // 1 MiB
  std::vector<uint64_t> words;
  start = (start + 7) & ~uint64_t{7};
  while (start < end && end - start >= 8) {
    words.resize(std::min<uint64_t>(kWords, (end - start) / 8));
    const auto got = memory.read(start, std::as_writable_bytes(std::span(words)));
    if (!got) return got.error();
    if (*got) visit(start, std::span<const uint64_t>(words));
    if (words.size() <= overlap || words.size() < kWords) break;
    start += (words.size() - overlap) * 8;
  }
  return {};
}

// `count` words at `address`; nullopt: not all are mapped. Room is taken as they come, so that a
// length that is none costs nothing.
inline Result<std::optional<std::vector<uint64_t>>> read_words(RemoteMemory& memory,
                                                               uint64_t address, uint64_t count) {
  constexpr uint64_t kPart = uint64_t{1} << 17;
  std::vector<uint64_t> words;
  while (words.size() < count) {
    const size_t done = words.size();
    words.resize(done + std::min(kPart, count - done));
    const auto got =
        memory.read(address + done * 8, std::as_writable_bytes(std::span(words).subspan(done)));
    if (!got) return got.error();
    if (!*got) return std::optional<std::vector<uint64_t>>();
  }
  return std::optional(std::move(words));
}

}  // namespace unclosed
